// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_PASSED_FD_H_
#define PVSCHED_HOST_POLICY_DAEMON_PASSED_FD_H_

#include "common/unique_fd.h"
#include "host-policy/daemon/front_protocol.h"

namespace pvsched {

// What pvschedd gets in place of a client's descriptor.
struct InspectedFd {
  PassedNote note = {};
  UniqueFd fd = {};  // none: refused
};

// Tells the kind of a client's descriptor. Makes no call that a file system or a lock of the
// client can delay. Does not close `passed`, since that can block for ever.
InspectedFd InspectPassedFd(int passed);

// Whether a message waits in the UNIX socket `connection`, of which `shutdown` has been called.
// Also true for one that listens.
bool HasUnread(int connection);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_PASSED_FD_H_
