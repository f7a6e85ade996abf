// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "common/peer.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/pidfd.h"

namespace pvsched {
namespace {

// An unnamed socket has an address without a path.
constexpr socklen_t kUnnamed = offsetof(sockaddr_un, sun_path);

}  // namespace

absl::StatusOr<Peer> GetPeer(int socket) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return ErrnoStatus(errno, "SO_PEERCRED");
  }
  if (credentials.pid <= 0) {
    return absl::NotFoundError("the peer is not in this process's PID namespace");
  }
  Peer peer{.pidfd = {}, .pid = credentials.pid, .uid = credentials.uid};
  int pidfd = -1;
  length = sizeof(pidfd);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0) {
    peer.pidfd.reset(pidfd);
    return peer;
  }
  if (errno != ENOPROTOOPT) return ErrnoStatus(errno, "SO_PEERPIDFD");
  // Kernels before 6.5 give the pid only. Another process can have it by now.
  peer.pidfd.reset(pidfd_open(peer.pid, 0));
  if (!peer.pidfd) return ErrnoStatus(errno, absl::StrCat("pidfd_open of process ", peer.pid));
  return peer;
}

uid_t PeerUid(int socket) {
  ucred peer = {.pid = 0, .uid = 65534, .gid = 65534};
  socklen_t length = sizeof(peer);
  getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  return peer.uid;
}

absl::Status CheckAcceptedSocket(int socket) {
  int type = 0;
  socklen_t length = sizeof(type);
  sockaddr_un own{};
  socklen_t own_length = sizeof(own);
  sockaddr_un other{};
  socklen_t other_length = sizeof(other);
  if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
      getsockname(socket, reinterpret_cast<sockaddr*>(&own), &own_length) != 0 ||
      getpeername(socket, reinterpret_cast<sockaddr*>(&other), &other_length) != 0) {
    return ErrnoStatus(errno, "the vfio-user socket");
  }
  if (own.sun_family != AF_UNIX || type != SOCK_STREAM || own_length <= kUnnamed ||
      other_length > kUnnamed) {
    return absl::InvalidArgumentError("the socket is no connection that a VMM has made");
  }
  return absl::OkStatus();
}

}  // namespace pvsched
