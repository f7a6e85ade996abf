// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/durable/durable_channel.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/fd_passing.h"
#include "vmm-device/durable/hand_over.h"

namespace pvsched {

using vfio_user::Header;

namespace {

// Any pipe has room for a page, and the client sees a reply of that size at once.
constexpr size_t kPieceSize = 4096;
constexpr uint32_t kMaxAttempts = 3;
constexpr int kSendTimeoutSeconds = 5;

absl::Status SetPeekOffset(int socket, int offset) {
  if (setsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0) {
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "SO_PEEK_OFF");
}

}  // namespace

absl::Status DurableChannel::Resume() {
  const timeval timeout{.tv_sec = kSendTimeoutSeconds, .tv_usec = 0};
  setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  Progress progress = state_->progress();
  if (progress.phase == Phase::kReceive) {
    int left = 0;
    socklen_t length = sizeof(left);
    if (getsockopt(fd(), SOL_SOCKET, SO_PEEK_OFF, &left, &length) != 0) {
      return ErrnoStatus(errno, "SO_PEEK_OFF");
    }
    // The offset of an unfinished peek does not count: its bytes were not stored.
    if (progress.peeked > 0) {
      RETURN_IF_ERROR(
          Consume(std::min<size_t>(progress.peeked, static_cast<size_t>(std::max(left, 0)))));
      progress.peeked = 0;
      state_->Store(progress);
    }
  } else {
    if (progress.phase == Phase::kWrite) RETURN_IF_ERROR(EmptyPipe());
    RETURN_IF_ERROR(SendPieces());
  }
  RETURN_IF_ERROR(SetPeekOffset(fd(), 0));
  ASSIGN_OR_RETURN(const size_t missing, MissingBytes());
  if (missing == 0) must_refuse_ = state_->CountAttempt() > kMaxAttempts;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<VfioUserChannel::Message>> DurableChannel::Receive() {
  for (;;) {
    ASSIGN_OR_RETURN(const size_t missing, MissingBytes());
    if (missing == 0) {
      if (!std::exchange(must_refuse_, false)) return TakeMessage();
      RETURN_IF_ERROR(RefuseRequest(*std::exchange(header_, std::nullopt)));
      continue;
    }
    absl::StatusOr<bool> is_received = ReceivePiece(missing);
    if (absl::IsOutOfRange(is_received.status()) && state_->progress().position > 0) {
      return absl::DataLossError("the client closed the connection within a message");
    }
    if (!is_received.ok()) return is_received.status();
    if (!*is_received) return std::nullopt;
  }
}

// Of the header first, then of the message; 0: it is complete.
absl::StatusOr<size_t> DurableChannel::MissingBytes() {
  const size_t position = state_->progress().position;
  if (position < sizeof(Header)) return sizeof(Header) - position;
  if (!header_) memcpy(&header_.emplace(), state_->request(), sizeof(Header));
  const size_t size = header_->size;
  if (size < sizeof(Header) || size > vfio_user::kMaxMessageSize || size < position) {
    // The start of the next message is unknown: reply, and close.
    if (!(header_->flags & vfio_user::kNoReply)) (void)ReplyError(*header_, EINVAL);
    return absl::InvalidArgumentError(absl::StrCat("a message of ", size, " bytes"));
  }
  return size - position;
}

// False: nothing has arrived.
absl::StatusOr<bool> DurableChannel::ReceivePiece(size_t missing) {
  Progress progress = state_->progress();
  // Descriptors come with the header. The kernel closes those of the payload.
  const bool is_header = progress.position < sizeof(Header);
  const size_t max_fds = is_header ? vfio_user::kMaxMessageFds - progress.num_fds : 0;
  uint8_t* const next = state_->request() + progress.position;
  size_t size = 0;
  if (is_header) {
    ASSIGN_OR_RETURN(std::optional<FdMessage> part,
                     ReceiveWithFds(fd(), next, missing, max_fds, MSG_PEEK));
    if (!part) return false;
    size = part->size;
    progress.num_fds += static_cast<uint32_t>(part->fds.size());
    if (progress.num_fds == 1 && part->fds.size() == 1) {
      fds_.request = std::move(part->fds[0]);
      RETURN_IF_ERROR(state_->Hold(kRequestFile, fds_.request.get()));
    }
  } else {
    const ssize_t n = recv(fd(), next, missing, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return false;
    if (n < 0) return ErrnoStatus(errno, "recv");
    if (n == 0) return absl::OutOfRangeError("the client closed the connection");
    size = static_cast<size_t>(n);
  }
  progress.position += static_cast<uint32_t>(size);
  progress.peeked = static_cast<uint32_t>(size);
  state_->Store(progress);
  RETURN_IF_ERROR(Consume(size));
  progress.peeked = 0;
  state_->Store(progress);
  return true;
}

absl::Status DurableChannel::Consume(size_t size) {
  uint8_t ignored[16384];
  while (size > 0) {
    const ssize_t n = recv(fd(), ignored, std::min(size, sizeof(ignored)), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "recv of peeked bytes");
    if (n == 0) return absl::OutOfRangeError("the client closed the connection");
    size -= static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

VfioUserChannel::Message DurableChannel::TakeMessage() {
  Message message{.header = *std::exchange(header_, std::nullopt), .payload = {}, .fds = {}};
  message.payload.assign(state_->request() + sizeof(Header),
                         state_->request() + message.header.size);
  // Requests with several descriptors are refused, so only their number counts.
  message.fds.resize(state_->progress().num_fds);
  if (message.fds.size() == 1) message.fds[0] = std::move(fds_.request);
  return message;
}

// The device ends while it handles this request: the VM is better off without it.
absl::Status DurableChannel::RefuseRequest(const Header& header) {
  LOG(ERROR) << "vfio-user command " << header.command << " ended the device " << kMaxAttempts
             << " times: it is refused";
  if (header.flags & vfio_user::kNoReply) return FinishWithoutReply();
  return ReplyError(header, EIO);
}

absl::Status DurableChannel::Reply(const Header& request, absl::Span<const uint8_t> payload) {
  const bool is_negotiated = state_->is_negotiated() || request.command == vfio_user::kVersion;
  return Send(Header{.id = request.id,
                     .command = request.command,
                     .size = static_cast<uint32_t>(sizeof(Header) + payload.size()),
                     .flags = vfio_user::kTypeReply,
                     .error = 0},
              payload, is_negotiated);
}

absl::Status DurableChannel::ReplyError(const Header& request, int error) {
  return Send(Header{.id = request.id,
                     .command = request.command,
                     .size = sizeof(Header),
                     .flags = vfio_user::kTypeReply | vfio_user::kError,
                     .error = static_cast<uint32_t>(error)},
              {}, state_->is_negotiated());
}

absl::Status DurableChannel::FinishWithoutReply() {
  state_->Commit(/*reply_size=*/0, state_->is_negotiated());
  return absl::OkStatus();
}

absl::Status DurableChannel::Send(const Header& header, absl::Span<const uint8_t> payload,
                                  bool is_negotiated) {
  memcpy(state_->reply(), &header, sizeof(header));
  if (!payload.empty()) memcpy(state_->reply() + sizeof(header), payload.data(), payload.size());
  state_->Commit(header.size, is_negotiated);
  return SendPieces();
}

// The pipe is empty in phase kWrite.
absl::Status DurableChannel::SendPieces() {
  while (state_->progress().phase != Phase::kReceive) {
    Progress progress = state_->progress();
    const size_t size = std::min<size_t>(
        kPieceSize, state_->reply_size() - std::min(state_->reply_size(), progress.position));
    if (progress.phase == Phase::kWrite) {
      const uint8_t* const piece = state_->reply() + progress.position;
      if (write(fds_.pipe_in.get(), piece, size) != static_cast<ssize_t>(size)) {
        return absl::AbortedError("the reply does not fit into the pipe");
      }
      progress.phase = Phase::kSplice;
      state_->Store(progress);
    }
    RETURN_IF_ERROR(SplicePiece());
    progress.position += static_cast<uint32_t>(size);
    const bool is_sent = progress.position >= state_->reply_size();
    progress.phase = is_sent ? Phase::kReceive : Phase::kWrite;
    if (is_sent) progress.position = 0;
    state_->Store(progress);
  }
  return absl::OkStatus();
}

absl::Status DurableChannel::SplicePiece() {
  for (;;) {
    int left = 0;
    if (ioctl(fds_.pipe_out.get(), FIONREAD, &left) != 0) return ErrnoStatus(errno, "FIONREAD");
    if (left <= 0) return absl::OkStatus();
    const ssize_t n = splice(fds_.pipe_out.get(), nullptr, fd(), nullptr, static_cast<size_t>(left),
                             SPLICE_F_NONBLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      return absl::DeadlineExceededError("the client does not read its replies");
    }
    if (n < 0) return ErrnoStatus(errno, "splice");
  }
}

absl::Status DurableChannel::EmptyPipe() {
  uint8_t ignored[kPieceSize];
  for (;;) {
    int left = 0;
    if (ioctl(fds_.pipe_out.get(), FIONREAD, &left) != 0) return ErrnoStatus(errno, "FIONREAD");
    if (left <= 0) return absl::OkStatus();
    if (read(fds_.pipe_out.get(), ignored, sizeof(ignored)) <= 0) {
      return ErrnoStatus(errno, "read of the pipe");
    }
  }
}

}  // namespace pvsched
