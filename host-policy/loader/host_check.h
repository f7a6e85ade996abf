// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_HOST_CHECK_H_
#define PVSCHED_HOST_POLICY_LOADER_HOST_CHECK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// Whether this kernel and this process can run pvsched's host side. The error names the first
// missing requirement and its cure.
absl::Status CheckHost();

// For which interrupts this host does not boost a preempted vCPU before the vCPU runs again,
// and the cure: one sentence each. `has_kick_hook` is BpfObject's; `modules` is /sys/module.
std::vector<std::string> UnseenInterrupts(bool has_kick_hook, const std::string& modules);

// Whether programs of a kernel of this release may call the policy while they prevent their
// own preemption.
bool CanMaskPreemption(absl::string_view release);

// Whether a kernel of this release, such as "6.18.15+deb13-amd64", is new enough.
absl::Status CheckKernelRelease(absl::string_view release);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_HOST_CHECK_H_
