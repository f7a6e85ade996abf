// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_TUNABLE_COMMANDS_H_
#define PVSCHED_HOST_POLICY_CTL_TUNABLE_COMMANDS_H_

#include "CLI/CLI.hpp"
#include "host-policy/ctl/invocation.h"

namespace pvsched {

// Add `pvschedctl tunable` and `pvschedctl profile`.
void AddTunableCommands(CLI::App& app, Invocation& run);
void AddProfileCommands(CLI::App& app, Invocation& run);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_TUNABLE_COMMANDS_H_
