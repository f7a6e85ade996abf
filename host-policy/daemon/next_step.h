// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_NEXT_STEP_H_
#define PVSCHED_HOST_POLICY_DAEMON_NEXT_STEP_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// How pvschedd's service ended. An error is a failure at start-up.
enum class RunResult {
  kStopped,     // by a signal, or nothing was to be served
  kScxEjected,  // the kernel ejected the scheduler while it ran
};

// What main() does then.
struct NextStep {
  int exit_status = 0;
  std::vector<std::string> command_line;  // to execute; empty: exit
};

// Only an ejected scheduler restarts pvschedd: as after a crash, devices connect
// again, and no state of the failed scheduler remains. The new command line
// excludes scx, so there is at most one restart. `actuators` is the list that
// `command_line` had.
NextStep DecideNextStep(const absl::StatusOr<RunResult>& result, absl::string_view actuators,
                        const std::vector<std::string>& command_line);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_NEXT_STEP_H_
