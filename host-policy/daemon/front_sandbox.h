// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_FRONT_SANDBOX_H_
#define PVSCHED_HOST_POLICY_DAEMON_FRONT_SANDBOX_H_

#include "absl/status/status.h"

namespace pvsched {

// Gives up all capabilities, and all system calls that the front process does not need.
absl::Status EnterFrontSandbox();

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_FRONT_SANDBOX_H_
