// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DAEMON_SECCOMP_FILTER_H_
#define PVSCHED_VMM_DEVICE_DAEMON_SECCOMP_FILTER_H_

#include "absl/status/status.h"

namespace pvsched {

// Limits this process to the system calls that pvsched-device needs once it has
// started. Any other call ends the process with a message that names the call.
// The signal that ends it cannot be handled or ignored any more.
struct SeccompOptions {
  bool has_socket_file = false;  // which is removed at the end
  int reply_pipe = -1;           // written to, and spliced from; -1: none
};
absl::Status ApplySeccompFilter(const SeccompOptions& options);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_SECCOMP_FILTER_H_
