// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_OBSERVE_COMMANDS_H_
#define PVSCHED_HOST_POLICY_CTL_OBSERVE_COMMANDS_H_

#include "CLI/CLI.hpp"
#include "host-policy/ctl/invocation.h"

namespace pvsched {

// Adds `pvschedctl metrics` and `pvschedctl doctor`.
void AddObserveCommands(CLI::App& app, Invocation& run);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_OBSERVE_COMMANDS_H_
