// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_READ_COMMANDS_H_
#define PVSCHED_HOST_POLICY_DAEMON_READ_COMMANDS_H_

#include <algorithm>

#include "absl/strings/string_view.h"

namespace pvsched {

// Requests that the read socket answers: they change nothing. A trace does, as
// the programs do more while it runs.
inline bool IsReadCommand(absl::string_view command) {
  constexpr absl::string_view kCommands[] = {"vm list",      "vcpu list",   "stats",
                                             "tunable list", "policy show", "scheduler status"};
  return std::ranges::count(kCommands, command) > 0;
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_READ_COMMANDS_H_
