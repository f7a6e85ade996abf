// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_VFIO_USER_SERVER_H_
#define PVSCHED_VMM_DEVICE_VFIO_USER_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "vmm-device/device.h"
#include "vmm-device/memory_map.h"
#include "vmm-device/pci_config.h"
#include "vmm-device/vfio_user/channel.h"

namespace pvsched {

// Serves a Device to one vfio-user client, as a PCI function with BAR0 and
// configuration space, without interrupts and without mappable regions. The
// client is not trusted. A malformed request is answered with an error. A broken
// stream ends the session. Not thread-safe.
class VfioUserServer {
 public:
  // `device`, `config` and `memory` are borrowed. They must outlive the server,
  // and no other code uses them meanwhile. `on_negotiated` is called once, when
  // the client has negotiated a version.
  VfioUserServer(
      UniqueFd socket, Device* device, PciConfig* config, MemoryMap* memory,
      std::function<void()> on_negotiated = [] {});

  // Serves the client of `channel`. `is_negotiated`: another process has
  // negotiated the version, and restored the state since.
  VfioUserServer(std::unique_ptr<VfioUserChannel> channel, bool is_negotiated, Device* device,
                 PciConfig* config, MemoryMap* memory, std::function<void()> on_negotiated);

  // Withdraws all records, then removes the client's memory.
  ~VfioUserServer();
  VfioUserServer(const VfioUserServer&) = delete;
  VfioUserServer& operator=(const VfioUserServer&) = delete;

  int fd() const { return channel_->fd(); }

  bool negotiated() const { return negotiated_; }

  // Call when fd() is readable. Handles a bounded number of messages. An error
  // ends the session. OutOfRange: the client closed the connection.
  absl::Status HandleInput();

 private:
  using Message = VfioUserChannel::Message;
  using Payload = std::vector<uint8_t>;

  absl::Status Handle(Message& message);
  absl::StatusOr<Payload> Dispatch(Message& message);
  absl::StatusOr<Payload> NegotiateVersion(absl::Span<const uint8_t> request);
  absl::StatusOr<Payload> MapMemory(absl::Span<const uint8_t> request, std::vector<UniqueFd>& fds);
  absl::StatusOr<Payload> UnmapMemory(absl::Span<const uint8_t> request);
  absl::StatusOr<Payload> ReadRegion(absl::Span<const uint8_t> request);
  absl::StatusOr<Payload> WriteRegion(absl::Span<const uint8_t> request);
  void ResetDevice();

  std::unique_ptr<VfioUserChannel> channel_;
  Device* const device_;
  PciConfig* const config_;
  MemoryMap* const memory_;
  const std::function<void()> on_negotiated_;
  bool negotiated_;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_VFIO_USER_SERVER_H_
