// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_DAEMON_SECCOMP_FILTER_H_
#define PVSCHED_VMM_DEVICE_DAEMON_SECCOMP_FILTER_H_

#include "absl/status/status.h"

namespace pvsched {

// From here on this process can only use the system calls that a started
// pvsched-device needs. Any other one ends it, with a sentence that names it.
absl::Status ApplySeccompFilter();

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_SECCOMP_FILTER_H_
