// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_VM_FILTER_H_
#define PVSCHED_HOST_POLICY_CTL_VM_FILTER_H_

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "host-policy/ctl/invocation.h"

namespace pvsched {

// Adds --vm and --future to a command that shows vCPUs.
void AddVmFilter(CLI::App& command, Invocation& run);

// Refuses the name of a VM that does not run, unless it is for a future VM.
absl::Status CheckVmFilter(const Invocation& run);

// Whether the command is to show this vCPU or decision.
bool IsShown(const Invocation& run, const Json& vcpu);
// The vCPUs of a list that it is to show.
Json ShownVcpus(const Invocation& run, const Json& vcpus);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_VM_FILTER_H_
