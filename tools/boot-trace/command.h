// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TOOLS_BOOT_TRACE_COMMAND_H_
#define PVSCHED_TOOLS_BOOT_TRACE_COMMAND_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// A child in a process group of its own, its standard input /dev/null. The destructor kills
// the group if the child still runs.
class Command {
 public:
  // Forks a child that waits for Exec(), so that a caller can trace it from its exec on.
  // Its output goes to standard error if `shows_output`, else into a buffer for Result().
  static absl::StatusOr<Command> Fork(std::vector<std::string> argv, bool shows_output);
  Command(Command&& other) noexcept;
  ~Command();

  pid_t pid() const { return pid_; }
  // Lets the child exec. Fails if there is no such program.
  absl::Status Exec();
  // Waits for the child's end and calls `tick` about every second. Fails if a signal
  // arrives on the signalfd `signals` first.
  absl::Status Wait(int signals, const std::function<void()>& tick);
  // Like Wait(), for a process that need not be a child.
  static absl::Status WaitFor(pid_t pid, int signals, const std::function<void()>& tick);
  // Like Wait(), for a few milliseconds.
  static absl::Status Pause(int signals, const std::function<void()>& tick);

  // After Wait(): OK if the exit status is 0. The error ends with the command's last output.
  absl::Status Result() const;

 private:
  Command() = default;
  std::string LastOutput() const;

  std::string name_;
  pid_t pid_ = 0;
  bool has_ended_ = false;
  int status_ = 0;
  UniqueFd go_;      // pipe: closing it lets the child exec
  UniqueFd failed_;  // pipe: the child writes errno if exec fails
  UniqueFd output_;  // memfd
};

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_COMMAND_H_
