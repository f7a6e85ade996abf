// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_VFIO_USER_VERSION_H_
#define PVSCHED_VMM_DEVICE_VFIO_USER_VERSION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pvsched {

// Checks the payload of a VERSION request and makes the reply's payload. The
// reply is at most as long as the request: QEMU accepts no longer reply.
// InvalidArgument: another major version, or malformed capabilities.
absl::StatusOr<std::vector<uint8_t>> AnswerVersion(absl::Span<const uint8_t> request);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_VFIO_USER_VERSION_H_
