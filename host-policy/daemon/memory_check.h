// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_MEMORY_CHECK_H_
#define PVSCHED_HOST_POLICY_DAEMON_MEMORY_CHECK_H_

#include <cstdint>

#include "absl/status/status.h"

namespace pvsched {

// The error for a file of another kind.
absl::Status NotMemory();

// Accepts only memory that the kernel can pin for long, and whose page faults
// depend on no process. It must hold `length` aligned bytes at `offset`.
absl::Status CheckMemory(int memory, uint64_t offset, uint64_t length);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_MEMORY_CHECK_H_
