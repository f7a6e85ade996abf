// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_UNIT_VFIO_USER_TEST_CLIENT_H_
#define PVSCHED_TESTS_UNIT_VFIO_USER_TEST_CLIENT_H_

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/fd_passing.h"
#include "common/unique_fd.h"
#include "pvsched_abi.h"
#include "tests/unit/guest_record.h"
#include "vmm-device/vfio_user/protocol.h"

namespace pvsched {

using Bytes = std::vector<uint8_t>;

template <typename T>
Bytes ToBytes(const T& value) {
  const auto* p = reinterpret_cast<const uint8_t*>(&value);
  return Bytes(p, p + sizeof(T));
}

inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A vfio-user client that can also send malformed messages.
class VfioUserTestClient {
 public:
  struct Reply {
    vfio_user::Header header{};
    Bytes payload;

    // 0: success. -1: there was no reply.
    int error() const {
      if (header.size == 0) return -1;
      return (header.flags & vfio_user::kError) ? static_cast<int>(header.error) : 0;
    }
    template <typename T>
    T As(size_t offset = 0) const {
      T value{};
      EXPECT_LE(offset + sizeof(T), payload.size());
      if (offset + sizeof(T) <= payload.size()) memcpy(&value, payload.data() + offset, sizeof(T));
      return value;
    }
  };

  // `pump` runs a server that is in the same thread.
  explicit VfioUserTestClient(UniqueFd socket, std::function<void()> pump = {})
      : socket_(std::move(socket)), pump_(std::move(pump)) {}

  int fd() const { return socket_.get(); }
  void Close() { socket_.reset(); }
  void Pump() {
    if (pump_) pump_();
  }

  // Sends by one sendmsg(), with the fds attached to the first byte.
  void SendRaw(const Bytes& bytes, const std::vector<int>& fds = {}) {
    // The server may close the connection meanwhile. Tests see that later.
    (void)SendWithFds(socket_.get(), bytes.data(), bytes.size(), fds);
  }

  static Bytes Message(uint16_t id, uint16_t command, const Bytes& payload, uint32_t flags = 0) {
    return ToBytes(vfio_user::Header{
               .id = id,
               .command = command,
               .size = static_cast<uint32_t>(sizeof(vfio_user::Header) + payload.size()),
               .flags = flags,
               .error = 0}) +
           payload;
  }

  void Send(uint16_t command, const Bytes& payload, const std::vector<int>& fds = {},
            uint32_t flags = 0) {
    SendRaw(Message(++id_, command, payload, flags), fds);
  }

  // Receives one reply. Its size is 0 if the connection was closed, or if no
  // reply came in time. A reply in two pieces fails the test.
  Reply Receive(int timeout_ms = 10'000) {
    Reply reply;
    pollfd poll_fd{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (poll(&poll_fd, 1, timeout_ms) <= 0) {
      return {};
    }
    ssize_t n = recv(socket_.get(), &reply.header, sizeof(reply.header), MSG_DONTWAIT);
    if (n <= 0) {
      return {};
    }
    EXPECT_EQ(n, static_cast<ssize_t>(sizeof(reply.header)));
    if (reply.header.size < sizeof(reply.header)) ADD_FAILURE() << "a reply without a size";
    reply.payload.resize(reply.header.size - sizeof(reply.header));
    if (!reply.payload.empty()) {
      n = recv(socket_.get(), reply.payload.data(), reply.payload.size(), MSG_DONTWAIT);
      EXPECT_EQ(n, static_cast<ssize_t>(reply.payload.size()))
          << "payload not sent with the header";
    }
    EXPECT_EQ(reply.header.flags & vfio_user::kTypeMask, vfio_user::kTypeReply);
    return reply;
  }

  // True if nothing can be received and the connection is open.
  bool Quiet(int timeout_ms = 0) {
    pollfd poll_fd{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    return poll(&poll_fd, 1, timeout_ms) == 0;
  }

  // True once the server has closed the connection. Discards what it sent.
  bool Closed(int timeout_ms = 10'000) {
    char byte;
    ssize_t n;
    do {
      pollfd poll_fd{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      if (poll(&poll_fd, 1, timeout_ms) <= 0) return false;
      n = recv(socket_.get(), &byte, 1, MSG_DONTWAIT);
    } while (n > 0);
    return n == 0 || errno == ECONNRESET;
  }

  Reply Call(uint16_t command, const Bytes& payload, const std::vector<int>& fds = {},
             uint32_t flags = 0) {
    Send(command, payload, fds, flags);
    Pump();
    Reply reply = Receive();
    if (reply.header.size > 0) {
      EXPECT_EQ(reply.header.id, id_);
      EXPECT_EQ(reply.header.command, command);
    }
    return reply;
  }

  static Bytes VersionPayload(const std::string& json, uint16_t major = 0, uint16_t minor = 0) {
    const auto* text = reinterpret_cast<const uint8_t*>(json.c_str());
    return ToBytes(vfio_user::Version{major, minor}) + Bytes(text, text + json.size() + 1);
  }

  // QEMU's capabilities, in its request's length.
  static Bytes QemuVersionPayload() {
    return VersionPayload(
        R"({"capabilities": {"migration": {"max_bitmap_size": 268435456, "pgsizes": 4096}, )"
        R"("max_dma_maps": 65535, "max_data_xfer_size": 1048576, "max_msg_fds": 8, )"
        R"("pgsizes": 4096, "write_multiple": true}})");
  }

  Reply Negotiate() { return Call(vfio_user::kVersion, QemuVersionPayload()); }

  int DmaMap(uint64_t address, uint64_t size, uint64_t offset, int fd, uint32_t flags = 3) {
    return Call(vfio_user::kDmaMap,
                ToBytes(vfio_user::DmaMap{sizeof(vfio_user::DmaMap), flags, offset, address, size}),
                fd >= 0 ? std::vector<int>{fd} : std::vector<int>{})
        .error();
  }
  int DmaUnmap(uint64_t address, uint64_t size, uint32_t flags = 0) {
    return Call(vfio_user::kDmaUnmap,
                ToBytes(vfio_user::DmaUnmap{sizeof(vfio_user::DmaUnmap), flags, address, size}))
        .error();
  }

  static Bytes AccessPayload(uint32_t region, uint64_t offset, uint32_t count) {
    return ToBytes(vfio_user::RegionAccess{offset, region, count});
  }

  template <typename T>
  T Read(uint32_t region, uint64_t offset) {
    const Reply reply = Call(vfio_user::kRegionRead, AccessPayload(region, offset, sizeof(T)));
    EXPECT_EQ(reply.error(), 0);
    EXPECT_EQ(reply.payload.size(), sizeof(vfio_user::RegionAccess) + sizeof(T));
    return reply.As<T>(sizeof(vfio_user::RegionAccess));
  }

  // As QEMU: writes to configuration space wait for the reply, BAR writes do not.
  template <typename T>
  void Write(uint32_t region, uint64_t offset, T value) {
    const Bytes payload = AccessPayload(region, offset, sizeof(T)) + ToBytes(value);
    if (region == vfio_user::kConfig) {
      const Reply reply = Call(vfio_user::kRegionWrite, payload);
      EXPECT_EQ(reply.error(), 0);
      EXPECT_EQ(reply.payload.size(), sizeof(vfio_user::RegionAccess));
    } else {
      Send(vfio_user::kRegionWrite, payload, {}, vfio_user::kNoReply);
      Pump();
    }
  }

  uint32_t Read32(uint64_t offset) { return Read<uint32_t>(vfio_user::kBar0, offset); }
  uint64_t Read64(uint64_t offset) { return Read<uint64_t>(vfio_user::kBar0, offset); }
  void Write32(uint64_t offset, uint32_t value) { Write(vfio_user::kBar0, offset, value); }
  void Write64(uint64_t offset, uint64_t value) { Write(vfio_user::kBar0, offset, value); }

  // As the guest's driver does.
  void NegotiateFeatures() {
    constexpr uint32_t kReady =
        PVSCHED_STATUS_ACKNOWLEDGE | PVSCHED_STATUS_DRIVER | PVSCHED_STATUS_FEATURES_OK;
    Write32(PVSCHED_REG_STATUS, 0);
    Write64(PVSCHED_REG_DRIVER_FEATURES, Read64(PVSCHED_REG_DEVICE_FEATURES));
    Write32(PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION);
    Write32(PVSCHED_REG_STATUS, kReady);
    EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
  }
  // Returns PVSCHED_REG_RESULT.
  uint32_t Register(uint32_t vcpu_id, uint64_t gpa) {
    Write32(PVSCHED_REG_VCPU_SELECT, vcpu_id);
    Write64(PVSCHED_REG_RECORD_ADDR, gpa);
    return Read32(PVSCHED_REG_RESULT);
  }

 private:
  UniqueFd socket_;
  std::function<void()> pump_;
  uint16_t id_ = 0;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_UNIT_VFIO_USER_TEST_CLIENT_H_
