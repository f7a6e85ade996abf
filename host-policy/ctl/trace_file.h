// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_TRACE_FILE_H_
#define PVSCHED_HOST_POLICY_CTL_TRACE_FILE_H_

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host-policy/ctl/admin_client.h"
#include "host-policy/ctl/perfetto.h"

namespace pvsched {

// A file for ui.perfetto.dev. What the file had before stays until there is a
// decision to write.
class TraceFile {
 public:
  static absl::StatusOr<std::unique_ptr<TraceFile>> Open(const std::string& path);

  absl::Status Add(const Json& decision);
  // Completes the file. Without a decision, a file that was empty gets a trace
  // without events.
  absl::Status Close();

 private:
  using File = std::unique_ptr<FILE, int (*)(FILE*)>;

  TraceFile(std::string path, File file, bool is_regular, bool was_empty)
      : path_(std::move(path)),
        file_(std::move(file)),
        is_regular_(is_regular),
        was_empty_(was_empty) {}
  absl::Status Begin();
  absl::Status Failed(int error) const;

  std::string path_;
  File file_;
  bool is_regular_;
  bool was_empty_;
  std::unique_ptr<PerfettoWriter> writer_;  // from the first decision on
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_TRACE_FILE_H_
