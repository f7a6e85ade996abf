// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_SUPERVISOR_DEVICE_PROCESS_H_
#define PVSCHED_VMM_DEVICE_SUPERVISOR_DEVICE_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// A child process. It ends with its parent.
struct DeviceProcess {
  pid_t pid = -1;
  UniqueFd pidfd;
};

// Executes `command`, whose first word is a path. The child inherits `fds`
// under the same numbers, and standard streams. All other descriptors must have
// close-on-exec. A child that cannot execute exits with 127.
absl::StatusOr<DeviceProcess> StartDeviceProcess(const std::vector<std::string>& command,
                                                 const std::vector<int>& fds);

// Waits for a process that has ended. Returns the exit status, or 128 + signal.
int ReapDeviceProcess(const DeviceProcess& process);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_SUPERVISOR_DEVICE_PROCESS_H_
