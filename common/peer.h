// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_PEER_H_
#define PVSCHED_COMMON_PEER_H_

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// The process at the other end of a UNIX socket, as the kernel recorded it when
// the process connected.
struct Peer {
  UniqueFd pidfd;  // proof against a pid that was used again
  pid_t pid = 0;
  uid_t uid = 0;
};

// NotFound: the process has ended.
absl::StatusOr<Peer> GetPeer(int socket);

// The user whose process connected; the overflow id if the kernel does not say.
uid_t PeerUid(int socket);

// OK if `socket` proves that its peer chose to connect to a server: it is the
// accepted end of a stream connection. Of the connecting end the peer would be
// the process that listens, and of a socketpair the process that made it.
absl::Status CheckAcceptedSocket(int socket);

}  // namespace pvsched

#endif  // PVSCHED_COMMON_PEER_H_
