// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/passed_fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/errno_status.h"
#include "common/peer.h"

namespace pvsched {
namespace {

// The kernel answers this only for shared memory and huge pages, and asks no file system.
bool IsMemory(int fd) { return fcntl(fd, F_GET_SEALS) >= 0; }

// The process is no child of this one. Of another file waitid() says EBADF.
bool IsPidfd(int fd) {
  siginfo_t info;
  return waitid(P_PIDFD, static_cast<id_t>(fd), &info, WEXITED | WNOHANG) == 0 || errno == ECHILD;
}

// Other calls on a socket of another family can wait for its lock.
bool IsUnixSocket(int fd) {
  int domain = 0;
  socklen_t size = sizeof(domain);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

absl::StatusOr<Peer> VmmOf(int socket) {
  RETURN_IF_ERROR(CheckAcceptedSocket(socket));
  return GetPeer(socket);
}

UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

}  // namespace

InspectedFd InspectPassedFd(int passed) {
  if (IsMemory(passed)) return {.note = {.kind = PassedKind::kMemory}, .fd = Duplicate(passed)};
  if (IsPidfd(passed)) return {.note = {.kind = PassedKind::kPidfd}, .fd = Duplicate(passed)};
  InspectedFd inspected = {.note = {.kind = PassedKind::kRefused}};
  if (!IsUnixSocket(passed)) return inspected;
  absl::StatusOr<Peer> vmm = VmmOf(passed);
  if (vmm.ok()) {
    return {.note = {.kind = PassedKind::kVmm, .uid = vmm->uid}, .fd = std::move(vmm->pidfd)};
  }
  inspected.note.code = static_cast<int32_t>(vmm.status().code());
  vmm.status().message().copy(inspected.note.text, sizeof(inspected.note.text) - 1);
  return inspected;
}

bool HasUnread(int connection) {
  // With credentials to receive, the kernel tells a message without data from the end.
  const int on = 1;
  setsockopt(connection, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  char byte;
  iovec part = {.iov_base = &byte, .iov_len = 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t size;
  do {
    size = recvmsg(connection, &message, MSG_PEEK | MSG_DONTWAIT);
  } while (size < 0 && errno == ECONNRESET);  // which the kernel reports once
  return size != 0 || (message.msg_flags & MSG_CTRUNC) != 0;
}

}  // namespace pvsched
