// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/vfio_user/connection.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/fd_passing.h"

namespace pvsched {

using vfio_user::Header;

VfioUserConnection::VfioUserConnection(UniqueFd socket) : socket_(std::move(socket)) {
  const timeval timeout{.tv_sec = kSendTimeoutSeconds, .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

absl::StatusOr<std::optional<VfioUserConnection::Message>> VfioUserConnection::Receive() {
  absl::StatusOr<bool> is_complete = received_ < sizeof(Header) ? ReceiveHeader() : true;
  if (is_complete.ok() && *is_complete) is_complete = ReceivePayload();
  if (absl::IsOutOfRange(is_complete.status()) && received_ > 0) {
    return absl::DataLossError("the client closed the connection within a message");
  }
  if (!is_complete.ok()) return is_complete.status();
  if (!*is_complete) return std::nullopt;
  received_ = 0;
  return std::exchange(partial_, Message{});
}

// Reads no byte beyond the header. A recvmsg() ends after data that carried
// descriptors, but it can start with earlier data that carried none. A longer
// read could thus return the next message's descriptors with this message.
absl::StatusOr<bool> VfioUserConnection::ReceiveHeader() {
  while (received_ < sizeof(Header)) {
    ASSIGN_OR_RETURN(
        std::optional<FdMessage> part,
        ReceiveWithFds(socket_.get(), reinterpret_cast<uint8_t*>(&partial_.header) + received_,
                       sizeof(Header) - received_,
                       vfio_user::kMaxMessageFds - partial_.fds.size()));
    if (!part) return false;
    std::move(part->fds.begin(), part->fds.end(), std::back_inserter(partial_.fds));
    received_ += part->size;
  }

  const uint32_t size = partial_.header.size;
  if (size < sizeof(Header) || size > vfio_user::kMaxMessageSize) {
    // The start of the next message is unknown: reply, and close.
    if (!(partial_.header.flags & vfio_user::kNoReply)) (void)ReplyError(partial_.header, EINVAL);
    return absl::InvalidArgumentError(absl::StrCat("a message of ", size, " bytes"));
  }
  partial_.payload.resize(size - sizeof(Header));
  return true;
}

absl::StatusOr<bool> VfioUserConnection::ReceivePayload() {
  while (received_ < partial_.header.size) {
    uint8_t* const next = partial_.payload.data() + (received_ - sizeof(Header));
    // Plain recv(): the kernel closes descriptors that come with the payload.
    const ssize_t n = recv(socket_.get(), next, partial_.header.size - received_, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return false;
    if (n < 0) return ErrnoStatus(errno, "recv");
    if (n == 0) return absl::OutOfRangeError("the client closed the connection");
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
  const iovec parts[] = {
      {.iov_base = const_cast<Header*>(&header), .iov_len = sizeof(header)},
      {.iov_base = const_cast<uint8_t*>(payload.data()), .iov_len = payload.size()}};
  ASSIGN_OR_RETURN(const std::optional<size_t> sent, SendWithFds(socket_.get(), parts, {}));
  // Less only if the send timed out.
  if (sent.value_or(0) != header.size) {
    return absl::DeadlineExceededError("the client does not read its replies");
  }
  return absl::OkStatus();
}

}  // namespace pvsched
