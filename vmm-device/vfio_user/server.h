// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_VFIO_USER_SERVER_H_
#define PVSCHED_VMM_DEVICE_VFIO_USER_SERVER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "vmm-device/device.h"
#include "vmm-device/memory_map.h"
#include "vmm-device/pci_config.h"
#include "vmm-device/vfio_user/connection.h"

namespace pvsched {

// Lends a Device to one vfio-user client: a PCI function with BAR0 and
// configuration space, no interrupts, nothing mappable. The client is hostile:
// what is malformed is answered with an error, or ends the session if the
// stream can't be trusted any more. Not thread-safe.
class VfioUserServer {
 public:
  // What is borrowed must outlive the server and belongs to it alone.
  // `on_negotiated` is called once, when the client has shown itself to be one.
  VfioUserServer(
      UniqueFd socket, Device* device, PciConfig* config, MemoryMap* memory,
      std::function<void()> on_negotiated = [] {});

  // The client is gone, whatever the reason: withdraws all records, then
  // forgets the memory.
  ~VfioUserServer();
  VfioUserServer(const VfioUserServer&) = delete;
  VfioUserServer& operator=(const VfioUserServer&) = delete;

  int fd() const { return connection_.fd(); }

  bool negotiated() const { return negotiated_; }

  // To be called when fd() is readable: handles what has arrived, a bounded
  // number of messages at a time. An error ends the session: OutOfRange if the
  // client just left.
  absl::Status HandleInput();

 private:
  using Message = VfioUserConnection::Message;
  using Payload = std::vector<uint8_t>;

  absl::Status Handle(Message& message);
  absl::StatusOr<Payload> Dispatch(Message& message);
  absl::StatusOr<Payload> NegotiateVersion(absl::Span<const uint8_t> request);
  absl::StatusOr<Payload> MapMemory(absl::Span<const uint8_t> request, std::vector<UniqueFd>& fds);
  absl::StatusOr<Payload> UnmapMemory(absl::Span<const uint8_t> request);
  absl::StatusOr<Payload> ReadRegion(absl::Span<const uint8_t> request);
  absl::StatusOr<Payload> WriteRegion(absl::Span<const uint8_t> request);
  void ResetDevice();

  VfioUserConnection connection_;
  Device* const device_;
  PciConfig* const config_;
  MemoryMap* const memory_;
  const std::function<void()> on_negotiated_;
  bool negotiated_ = false;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_VFIO_USER_SERVER_H_
