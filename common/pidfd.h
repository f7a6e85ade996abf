// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_PIDFD_H_
#define PVSCHED_COMMON_PIDFD_H_

#include <poll.h>

// glibc 2.41's header declares its functions without C linkage for C++.
extern "C" {
#include <sys/pidfd.h>
}

namespace pvsched {

// True once the process or thread of `pidfd` has ended. Until then the kernel
// does not reuse its pid.
inline bool HasEnded(int pidfd) {
  pollfd poll_fd = {.fd = pidfd, .events = POLLIN, .revents = 0};
  return poll(&poll_fd, 1, 0) != 0;
}

}  // namespace pvsched

#endif  // PVSCHED_COMMON_PIDFD_H_
