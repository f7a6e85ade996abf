// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_COMMON_PIDFD_H_
#define PVSCHED_COMMON_PIDFD_H_

#include <poll.h>

// Debian 13's header forgets to tell C++ that these are C functions.
extern "C" {
#include <sys/pidfd.h>
}

namespace pvsched {

// Whether the process or thread of a pidfd has ended. While it has not, its
// number is nobody else's.
inline bool HasEnded(int pidfd) {
  pollfd poll_fd = {.fd = pidfd, .events = POLLIN, .revents = 0};
  return poll(&poll_fd, 1, 0) != 0;
}

}  // namespace pvsched

#endif  // PVSCHED_COMMON_PIDFD_H_
