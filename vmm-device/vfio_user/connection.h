// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_VFIO_USER_CONNECTION_H_
#define PVSCHED_VMM_DEVICE_VFIO_USER_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "vmm-device/vfio_user/channel.h"
#include "vmm-device/vfio_user/protocol.h"

namespace pvsched {

// Receives and sends messages over a connected UNIX stream socket. Receiving
// does not block, so a client that stops within a message delays no other work.
// Sending blocks for kSendTimeoutSeconds at most. Not thread-safe.
class VfioUserConnection : public VfioUserChannel {
 public:
  // QEMU waits 5 s for a reply.
  static constexpr int kSendTimeoutSeconds = 5;

  explicit VfioUserConnection(UniqueFd socket);

  int fd() const override { return socket_.get(); }
  absl::StatusOr<std::optional<Message>> Receive() override;

  // Header and payload are sent by one call: QEMU reads them separately, but
  // fails if the payload is not there at once.
  absl::Status Reply(const vfio_user::Header& request, absl::Span<const uint8_t> payload) override;
  absl::Status ReplyError(const vfio_user::Header& request, int error) override;
  absl::Status FinishWithoutReply() override { return absl::OkStatus(); }

 private:
  absl::StatusOr<bool> ReceiveHeader();
  absl::StatusOr<bool> ReceivePayload();
  absl::Status Send(const vfio_user::Header& header, absl::Span<const uint8_t> payload);

  UniqueFd socket_;
  Message partial_;
  size_t received_ = 0;  // bytes of partial_ that are filled, header included
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_VFIO_USER_CONNECTION_H_
