// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_SCX_EXIT_RECORD_H_
#define PVSCHED_HOST_POLICY_DAEMON_SCX_EXIT_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/string_view.h"
#include "host-policy/bpf/scx/intf.h"

namespace pvsched {

// Why the kernel ejected the scheduler.
struct ScxExit {
  std::string time{};     // local time
  std::string reason{};   // the kernel's text for the kind
  std::string message{};  // details; may be empty
  uint64_t kind = 0;      // enum scx_exit_kind; 0: unknown
  int64_t code = 0;       // the scheduler's own exit code
  std::string dump{};     // sched_ext's debug dump; may be empty
  uint64_t count = 0;     // exits since the host booted, with this one
};

// The newest exit, in a file that this pvschedd and the next one can show. The
// file is text: a summary, "NAME: VALUE" lines, an empty line, the dump.
//
// Thread-safety: one thread.
class ScxExitRecord {
 public:
  // The name of the file in the state directory.
  static constexpr std::string_view kFileName = "scheduler-end";
  // The limit of a dump in the file.
  static constexpr size_t kDumpMax = 64 * 1024;

  explicit ScxExitRecord(std::string path) : path_(std::move(path)) {}

  // Saves the exit with the current time, and counts it. Returns its summary.
  std::string Save(const pvs_scx_exit& exit) const;
  std::string Save(ScxExit exit) const;

  // Nothing if the kernel has ejected no scheduler since the host booted.
  std::optional<ScxExit> Load() const;
  const std::string& path() const { return path_; }

  // "TIME REASON: MESSAGE, code CODE".
  static std::string Summary(const ScxExit& exit);

 private:
  std::string path_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_SCX_EXIT_RECORD_H_
