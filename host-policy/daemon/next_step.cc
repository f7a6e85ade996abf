// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/next_step.h"

#include "absl/log/check.h"
#include "host-policy/daemon/actuators/selection.h"

namespace pvsched {

NextStep DecideNextStep(const absl::StatusOr<RunResult>& result, absl::string_view actuators,
                        const std::vector<std::string>& command_line) {
  if (!result.ok()) return {.exit_status = 1, .command_line = {}};
  if (*result == RunResult::kStopped) return {};
  // Without scx in the list no scheduler was loaded. A restart would change
  // nothing.
  if (!HasScx(actuators)) return {.exit_status = 1, .command_line = {}};
  const std::string rest = ActuatorsWithoutScx(actuators);
  CHECK(!rest.empty() && !HasScx(rest));
  NextStep next = {.exit_status = 0, .command_line = {}};
  // The last --actuator of a command line counts. After a bare "--" it would be
  // no option; pvschedd takes no other arguments there.
  for (const std::string& argument : command_line) {
    if (argument == "--") break;
    next.command_line.push_back(argument);
  }
  next.command_line.insert(next.command_line.end(), {"--actuator", rest});
  return next;
}

}  // namespace pvsched
