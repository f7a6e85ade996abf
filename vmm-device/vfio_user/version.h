// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_VFIO_USER_VERSION_H_
#define PVSCHED_VMM_DEVICE_VFIO_USER_VERSION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pvsched {

// Judges the payload of a VERSION request and makes that of the reply, which is
// no longer than the request: QEMU takes no longer one. InvalidArgument if the
// version or the capabilities make no sense.
absl::StatusOr<std::vector<uint8_t>> AnswerVersion(absl::Span<const uint8_t> request);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_VFIO_USER_VERSION_H_
