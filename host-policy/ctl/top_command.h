// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_TOP_COMMAND_H_
#define PVSCHED_HOST_POLICY_CTL_TOP_COMMAND_H_

#include "CLI/CLI.hpp"
#include "host-policy/ctl/invocation.h"

namespace pvsched {

// Adds `pvschedctl top`.
void AddTopCommand(CLI::App& app, Invocation& run);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_TOP_COMMAND_H_
