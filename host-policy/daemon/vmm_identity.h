// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_VMM_IDENTITY_H_
#define PVSCHED_HOST_POLICY_DAEMON_VMM_IDENTITY_H_

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/front_protocol.h"

namespace pvsched {

// Which process a device says is its VMM.
struct VmmIdentity {
  UniqueFd pidfd;
  // The VMM itself has connected to the device. Else the device only names it.
  bool is_proven = false;
  // If it is proven: the user as whom it connected. By now it may have executed a
  // setuid program of root.
  uid_t uid = 0;
};

// What the front process has made of a descriptor in a message.
struct PassedFd {
  PassedNote note = {};
  UniqueFd fd;
};

// From the descriptor in HELLO: the vfio-user socket, of which the kernel has named the peer, or
// a pidfd, which Registry::AddVm() checks.
absl::StatusOr<VmmIdentity> IdentifyVmm(PassedFd passed);

absl::Status VmmHasEnded();
// The process of a VMM's pidfd.
absl::StatusOr<pid_t> PidOfPidfd(int pidfd);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_VMM_IDENTITY_H_
