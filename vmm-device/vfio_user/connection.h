// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_VFIO_USER_CONNECTION_H_
#define PVSCHED_VMM_DEVICE_VFIO_USER_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "vmm-device/vfio_user/protocol.h"

namespace pvsched {

// Messages over a connected UNIX stream socket. Receiving never blocks, so a
// client that stops in the middle of a message holds up nobody; sending blocks
// for kSendTimeoutSeconds at most. Not thread-safe.
class VfioUserConnection {
 public:
  static constexpr int kSendTimeoutSeconds = 5;

  struct Message {
    vfio_user::Header header;
    std::vector<uint8_t> payload;
    std::vector<UniqueFd> fds;
  };

  explicit VfioUserConnection(UniqueFd socket);

  int fd() const { return socket_.get(); }

  // The next message; nothing if it is not complete yet. Any error is final:
  // OutOfRange is the end of the stream, others a broken one.
  absl::StatusOr<std::optional<Message>> Receive();

  // Answers `request`. Header and payload go out in one piece: QEMU reads a
  // message with two reads but expects them not to come apart. An error is
  // final.
  absl::Status Reply(const vfio_user::Header& request, absl::Span<const uint8_t> payload);
  absl::Status ReplyError(const vfio_user::Header& request, int error);

 private:
  absl::StatusOr<bool> ReceiveHeader();
  absl::StatusOr<bool> ReceivePayload();
  absl::Status Send(const vfio_user::Header& header, absl::Span<const uint8_t> payload);

  UniqueFd socket_;
  Message partial_;
  size_t received_ = 0;  // bytes of partial_, header included
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_VFIO_USER_CONNECTION_H_
