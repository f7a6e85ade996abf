// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_LOADER_HOST_CHECK_H_
#define PVSCHED_HOST_POLICY_LOADER_HOST_CHECK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// Whether this kernel and this process can run pvsched's host side; the first
// thing that is missing, with what to do about it, if not.
absl::Status CheckHost();

// Why, on this host, a vCPU that waits for a CPU is not boosted for its interrupt before it
// runs again, and what to do about it; empty if it is. `has_kick_hook` as of BpfObject;
// `modules` is /sys/module.
std::string WhyInterruptsAreUnseen(bool has_kick_hook, const std::string& modules);

// Whether a kernel of this release ("6.18.15+deb13-amd64") is new enough.
absl::Status CheckKernelRelease(absl::string_view release);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_HOST_CHECK_H_
