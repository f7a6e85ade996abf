// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_UNIT_VFIO_USER_SERVER_FIXTURE_H_
#define PVSCHED_TESTS_UNIT_VFIO_USER_SERVER_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "tests/unit/guest_record.h"
#include "tests/unit/vfio_user_test_client.h"
#include "vmm-device/vfio_user/server.h"

namespace pvsched {

// Accepts all records, and keeps their offsets by APIC id.
class RecordingSink : public RecordSink {
 public:
  absl::Status Register(uint32_t vcpu_id, const Registration& registration) override {
    offsets[vcpu_id] = registration.record.offset;
    return absl::OkStatus();
  }
  absl::Status Withdraw(uint32_t vcpu_id) override {
    offsets.erase(vcpu_id);
    return absl::OkStatus();
  }
  absl::Status WithdrawAll() override {
    offsets.clear();
    return absl::OkStatus();
  }

  std::map<uint32_t, uint64_t> offsets;
};

// A server and a client in one thread.
class VfioUserServerTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kMiB = 1 << 20;
  static constexpr uint64_t kNonce = 0xabcdef0123456789;

  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    server_.emplace(UniqueFd(fds[0]), &device_, &config_, &memory_);
    client_ = std::make_unique<VfioUserTestClient>(UniqueFd(fds[1]), [this] {
      if (!server_) return;
      status_ = server_->HandleInput();
      if (!status_.ok()) server_.reset();  // as the daemon does
    });
  }

  void Negotiate() { ASSERT_EQ(client_->Negotiate().error(), 0); }

  // Also maps 4 MiB of memory at address 0, and negotiates features.
  void NegotiateAll() {
    Negotiate();
    memfd_ = MakeMemfd(4 * kMiB);
    ASSERT_EQ(client_->DmaMap(0, 4 * kMiB, 0, memfd_.get()), 0);
    client_->NegotiateFeatures();
  }

  // Returns the reply's errno value.
  int Call(uint16_t command, const Bytes& payload, const std::vector<int>& fds = {},
           uint32_t flags = 0) {
    return client_->Call(command, payload, fds, flags).error();
  }

  UniqueFd memfd_;
  RecordingSink sink_;
  MemoryMap memory_;
  PciConfig config_;
  Device device_{{}, &memory_, &sink_};
  std::optional<VfioUserServer> server_;
  std::unique_ptr<VfioUserTestClient> client_;
  absl::Status status_;  // of the last HandleInput()
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_UNIT_VFIO_USER_SERVER_FIXTURE_H_
