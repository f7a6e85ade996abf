// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_CTL_PERFETTO_H_
#define PVSCHED_HOST_POLICY_CTL_PERFETTO_H_

#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "host-policy/ctl/admin_client.h"

namespace pvsched {

// Writes decisions as a trace that ui.perfetto.dev and chrome://tracing open
// (the JSON trace event format): a process for each VM, a track for each vCPU,
// a slice for each stretch of time in which it was boosted, lowered or
// throttled, with the reason of its start as argument.
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
