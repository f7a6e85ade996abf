// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_PERFETTO_H_
#define PVSCHED_HOST_POLICY_CTL_PERFETTO_H_

#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "host-policy/ctl/admin_client.h"

namespace pvsched {

// Writes decisions in the JSON trace event format, for ui.perfetto.dev and
// chrome://tracing. Each VM is a process, each vCPU a track. A slice is a time in
// which the vCPU was boosted, lowered or throttled; its argument is the reason.
class PerfettoWriter {
 public:
  // `file` must outlive the writer.
  explicit PerfettoWriter(FILE* file);
  // Ends open slices and the file's JSON.
  ~PerfettoWriter();
  PerfettoWriter(const PerfettoWriter&) = delete;
  PerfettoWriter& operator=(const PerfettoWriter&) = delete;

  void Add(const Json& decision);

 private:
  using Track = std::pair<int64_t, int64_t>;  // VMM's pid, vCPU's tid

  void Emit(const Json& event);

  FILE* file_;
  bool is_first_ = true;
  double last_us_ = 0;
  std::map<Track, bool> tracks_;  // whether a slice is open
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_PERFETTO_H_
