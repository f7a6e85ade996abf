// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "common/fd_passing.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {
namespace {

// Room for control messages. CMSG_ALIGN() aligns them as size_t.
using ControlBuffer = absl::InlinedVector<size_t, 16>;
static_assert(alignof(cmsghdr) <= alignof(size_t));

ControlBuffer MakeControlBuffer(size_t num_fds) {
  if (num_fds == 0) return {};
  return ControlBuffer(CMSG_SPACE(num_fds * sizeof(int)) / sizeof(size_t));
}

std::vector<UniqueFd> TakeFds(msghdr& message) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

absl::StatusOr<std::optional<FdMessage>> ReceiveWithFds(int socket, void* data, size_t size,
                                                        size_t max_fds, int flags) {
  iovec iov{.iov_base = data, .iov_len = size};
  ControlBuffer control = MakeControlBuffer(max_fds);
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  ssize_t n;
  do {
    // Without a control buffer the kernel closes the descriptors itself.
    message.msg_control = control.empty() ? nullptr : control.data();
    message.msg_controllen = control.size() * sizeof(size_t);
    n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return std::nullopt;
  if (n < 0) return ErrnoStatus(errno, "recvmsg");

  // The buffer's alignment can leave room for more than max_fds.
  std::vector<UniqueFd> fds = TakeFds(message);
  if ((message.msg_flags & MSG_CTRUNC) || fds.size() > max_fds) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message with more than ", max_fds,
                     " file descriptors, or with more than this process may open"));
  }
  if (n == 0) return absl::OutOfRangeError("the peer closed the connection");
  return FdMessage{.size = static_cast<size_t>(n),
                   .is_truncated = (message.msg_flags & MSG_TRUNC) != 0,
                   .fds = std::move(fds)};
}

absl::StatusOr<std::optional<size_t>> SendWithFds(int socket, absl::Span<const iovec> data,
                                                  absl::Span<const int> fds) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(data.data());
  message.msg_iovlen = data.size();
  ControlBuffer control = MakeControlBuffer(fds.size());
  if (!fds.empty()) {
    const size_t size = fds.size() * sizeof(int);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), fds.data(), size);
  }
  ssize_t n;
  do {
    n = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return std::nullopt;
  if (n < 0) return ErrnoStatus(errno, "sendmsg");
  return static_cast<size_t>(n);
}

absl::StatusOr<std::optional<size_t>> SendWithFds(int socket, const void* data, size_t size,
                                                  absl::Span<const int> fds) {
  const iovec iov{.iov_base = const_cast<void*>(data), .iov_len = size};
  return SendWithFds(socket, absl::MakeConstSpan(&iov, 1), fds);
}

}  // namespace pvsched
