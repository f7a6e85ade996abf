// SPDX-License-Identifier: Apache-2.0
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

// A command in a process group of its own, without standard input. Killed, if it
// still runs, when this goes.
class Command {
 public:
  // Forks, but holds the command until Run(): so it can be followed from its exec on.
  // `shows_output`: on standard error; else it is kept.
  static absl::StatusOr<Command> Hold(std::vector<std::string> argv, bool shows_output);
  Command(Command&& other) noexcept;
  ~Command();

  pid_t pid() const { return pid_; }
  // Lets it go. Fails if there is no such program.
  absl::Status Run();
  // Until its end. Calls `tick` about every second. Fails if a signal from `signals`,
  // a signalfd, comes first.
  absl::Status Wait(int signals, const std::function<void()>& tick);
  // The same for a process that may be no child of ours.
  static absl::Status WaitFor(pid_t pid, int signals, const std::function<void()>& tick);
  // The same for a moment.
  static absl::Status Pause(int signals, const std::function<void()>& tick);

  // After Wait(): why it did not end well, with what it said last; OK if it did.
  absl::Status Result() const;

 private:
  Command() = default;
  std::string LastOutput() const;

  std::string name_;
  pid_t pid_ = 0;
  bool has_ended_ = false;
  int status_ = 0;
  UniqueFd go_;      // closed: go
  UniqueFd failed_;  // gets errno of exec
  UniqueFd output_;
};

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_COMMAND_H_
