// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DURABLE_DURABLE_CHANNEL_H_
#define PVSCHED_VMM_DEVICE_DURABLE_DURABLE_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "vmm-device/durable/state_file.h"
#include "vmm-device/vfio_user/channel.h"

namespace pvsched {

// A channel whose process may end at any instruction. The next process, with the
// same descriptors, handles each request once and sends each reply once. Two
// places in the kernel tell it how far the last one came:
// - Bytes of a request are peeked at, stored, then consumed. SO_PEEK_OFF counts
//   the bytes that were peeked at and not consumed.
// - Bytes of a reply go into a pipe, then by splice() to the client, which moves
//   them at once. The pipe holds what was not sent.
// Not thread-safe.
class DurableChannel : public VfioUserChannel {
 public:
  struct Descriptors {
    UniqueFd socket;
    UniqueFd pipe_out;  // read from
    UniqueFd pipe_in;   // written to; does not block
    UniqueFd request;   // came with the request that was interrupted; may be none
  };

  // `state` is restored and must outlive the channel.
  DurableChannel(Descriptors descriptors, StateFile* state)
      : fds_(std::move(descriptors)), state_(state) {}

  // Finishes what the last process began, up to the next request. Call it once,
  // before Receive(). Errors as Receive().
  absl::Status Resume();

  int fd() const override { return fds_.socket.get(); }

  // As VfioUserChannel, and Aborted: another process must continue.
  absl::StatusOr<std::optional<Message>> Receive() override;
  absl::Status Reply(const vfio_user::Header& request, absl::Span<const uint8_t> payload) override;
  absl::Status ReplyError(const vfio_user::Header& request, int error) override;
  absl::Status FinishWithoutReply() override;

 private:
  absl::StatusOr<size_t> MissingBytes();
  absl::StatusOr<bool> ReceivePiece(size_t missing);
  absl::Status Consume(size_t size);
  Message TakeMessage();
  absl::Status RefuseRequest(const vfio_user::Header& header);

  absl::Status Send(const vfio_user::Header& header, absl::Span<const uint8_t> payload,
                    bool is_negotiated);
  absl::Status SendPieces();
  absl::Status SplicePiece();
  absl::Status EmptyPipe();

  Descriptors fds_;
  StateFile* const state_;
  // Of the request, once it is there: other processes may write to the image.
  std::optional<vfio_user::Header> header_;
  bool must_refuse_ = false;  // the interrupted request ended several processes
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DURABLE_DURABLE_CHANNEL_H_
