// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_VFIO_USER_CHANNEL_H_
#define PVSCHED_VMM_DEVICE_VFIO_USER_CHANNEL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "vmm-device/vfio_user/protocol.h"

namespace pvsched {

// Messages of one client, one request at a time: each Receive() that returns a
// message is followed by one of the three calls that complete it.
class VfioUserChannel {
 public:
  struct Message {
    vfio_user::Header header;
    std::vector<uint8_t> payload;
    std::vector<UniqueFd> fds;
  };

  virtual ~VfioUserChannel() = default;

  virtual int fd() const = 0;

  // The next message. Nothing until the message is complete. After an error the
  // channel is unusable. OutOfRange: the client closed it between messages.
  virtual absl::StatusOr<std::optional<Message>> Receive() = 0;

  // Complete the request. After an error the channel is unusable.
  virtual absl::Status Reply(const vfio_user::Header& request,
                             absl::Span<const uint8_t> payload) = 0;
  virtual absl::Status ReplyError(const vfio_user::Header& request, int error) = 0;
  virtual absl::Status FinishWithoutReply() = 0;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_VFIO_USER_CHANNEL_H_
