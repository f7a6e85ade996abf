// SPDX-License-Identifier: Apache-2.0
#include "vmm-device/vfio_user/connection.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pvsched {

using vfio_user::Header;

VfioUserConnection::VfioUserConnection(UniqueFd socket) : socket_(std::move(socket)) {
  const timeval timeout{.tv_sec = kSendTimeoutSeconds, .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

absl::StatusOr<std::optional<VfioUserConnection::Message>> VfioUserConnection::Receive() {
  if (received_ < sizeof(Header)) {
    absl::StatusOr<bool> complete = ReceiveHeader();
    if (!complete.ok()) return complete.status();
    if (!*complete) return std::nullopt;
  }
  absl::StatusOr<bool> complete = ReceivePayload();
  if (!complete.ok()) return complete.status();
  if (!*complete) return std::nullopt;
  received_ = 0;
  return std::exchange(partial_, Message{});
}

// Takes no byte beyond the header. Linux ends a recvmsg() after the data that
// carried descriptors, but also glues data without any onto the front of them:
// reading further would give this message the next one's descriptors.
absl::StatusOr<bool> VfioUserConnection::ReceiveHeader() {
  while (received_ < sizeof(Header)) {
    iovec iov{.iov_base = reinterpret_cast<uint8_t*>(&partial_.header) + received_,
              .iov_len = sizeof(Header) - received_};
    alignas(cmsghdr) char control[CMSG_SPACE(vfio_user::kMaxMessageFds * sizeof(int))];
    msghdr msg{};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control;
    msg.msg_controllen = sizeof(control);
    const ssize_t n = recvmsg(socket_.get(), &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return false;
    if (n < 0) return absl::ErrnoToStatus(errno, "receiving from the client");

    for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
      if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
      const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
        partial_.fds.emplace_back(fd);
      }
    }
    if (msg.msg_flags & MSG_CTRUNC) {
      return absl::InvalidArgumentError("more descriptors than a message may carry");
    }
    if (n == 0) {
      if (received_ > 0) return absl::DataLossError("the client left in the middle of a message");
      return absl::OutOfRangeError("the client left");
    }
    received_ += static_cast<size_t>(n);
    if (partial_.fds.size() > vfio_user::kMaxMessageFds) {
      return absl::InvalidArgumentError("more descriptors than a message may carry");
    }
  }

  const uint32_t size = partial_.header.size;
  if (size < sizeof(Header) || size > vfio_user::kMaxMessageSize) {
    // Where the next message starts can't be known: say so and give up.
    if (!(partial_.header.flags & vfio_user::kNoReply)) (void)ReplyError(partial_.header, EINVAL);
    return absl::InvalidArgumentError(absl::StrCat("a message of ", size, " bytes"));
  }
  partial_.payload.resize(size - sizeof(Header));
  return true;
}

absl::StatusOr<bool> VfioUserConnection::ReceivePayload() {
  while (received_ < partial_.header.size) {
    uint8_t* const next = partial_.payload.data() + (received_ - sizeof(Header));
    // No control buffer: descriptors that come late are closed by the kernel.
    const ssize_t n = recv(socket_.get(), next, partial_.header.size - received_, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return false;
    if (n < 0) return absl::ErrnoToStatus(errno, "receiving from the client");
    if (n == 0) return absl::DataLossError("the client left in the middle of a message");
    received_ += static_cast<size_t>(n);
  }
  return true;
}

absl::Status VfioUserConnection::Reply(const Header& request, absl::Span<const uint8_t> payload) {
  return Send(Header{.id = request.id,
                     .command = request.command,
                     .size = static_cast<uint32_t>(sizeof(Header) + payload.size()),
                     .flags = vfio_user::kTypeReply,
                     .error = 0},
              payload);
}

absl::Status VfioUserConnection::ReplyError(const Header& request, int error) {
  return Send(Header{.id = request.id,
                     .command = request.command,
                     .size = sizeof(Header),
                     .flags = vfio_user::kTypeReply | vfio_user::kError,
                     .error = static_cast<uint32_t>(error)},
              {});
}

absl::Status VfioUserConnection::Send(const Header& header, absl::Span<const uint8_t> payload) {
  // The message is sent from a copy of the header and the caller's payload.
  Header copy = header;
  iovec iov[2] = {{.iov_base = &copy, .iov_len = sizeof(copy)},
                  {.iov_base = const_cast<uint8_t*>(payload.data()), .iov_len = payload.size()}};
  msghdr msg{};
  msg.msg_iov = iov;
  msg.msg_iovlen = payload.empty() ? 1 : 2;
  ssize_t n;
  do {
    n = sendmsg(socket_.get(), &msg, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return absl::ErrnoToStatus(errno, "answering the client");
  // Short only if the time-out struck: the client doesn't read.
  if (static_cast<size_t>(n) != header.size) {
    return absl::DeadlineExceededError("the client does not read its answers");
  }
  return absl::OkStatus();
}

}  // namespace pvsched
