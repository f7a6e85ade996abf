// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_UNIT_DEVICE_FIXTURE_H_
#define PVSCHED_TESTS_UNIT_DEVICE_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/unit/guest_record.h"
#include "vmm-device/device.h"

namespace pvsched {

// Guest memory of one file of 2 * kSize bytes. Its first half is mapped at
// kBase, and again at kAliasBase; its second half read-only at kReadOnlyBase.
class FakeMemory : public GuestMemory {
 public:
  static constexpr uint64_t kBase = 0x10000;
  static constexpr uint64_t kReadOnlyBase = 0x40000;
  static constexpr uint64_t kAliasBase = 0x80000;
  static constexpr uint64_t kSize = 0x10000;
  static constexpr int kFd = 7;

  absl::StatusOr<Mapping> Translate(uint64_t gpa, uint64_t length) const override {
    for (const uint64_t base : {kBase, kReadOnlyBase, kAliasBase}) {
      if (is_present && gpa >= base && gpa - base < kSize && length <= kSize - (gpa - base)) {
        const uint64_t offset = gpa - base + (base == kReadOnlyBase ? kSize : 0);
        return Mapping{.range = {.fd = kFd, .offset = offset, .length = length},
                       .is_writable = base != kReadOnlyBase,
                       .file_dev = 1,
                       .file_ino = 2};
      }
    }
    return absl::NotFoundError("no memory");
  }

  absl::Status Read(const GuestRange& range, void* out) const override {
    if (is_truncated) return absl::OutOfRangeError("truncated");
    memcpy(out, bytes.data() + range.offset, range.length);
    return absl::OkStatus();
  }

  pvsched_record* At(uint64_t gpa) {
    return reinterpret_cast<pvsched_record*>(bytes.data() + (gpa - kBase));
  }

  bool is_present = true;
  bool is_truncated = false;
  std::vector<uint8_t> bytes = std::vector<uint8_t>(2 * kSize);
};

class MockSink : public RecordSink {
 public:
  MOCK_METHOD(absl::Status, Register, (uint32_t vcpu_id, const Registration& registration),
              (override));
  MOCK_METHOD(absl::Status, Withdraw, (uint32_t vcpu_id), (override));
  MOCK_METHOD(absl::Status, WithdrawAll, (), (override));
};

// Matches a Registration whose record is at `offset` of the memory's file.
MATCHER_P(RecordAt, offset, "") {
  return arg.record.fd == FakeMemory::kFd && arg.record.offset == offset &&
         arg.record.length == PVSCHED_RECORD_SIZE;
}

class DeviceTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kBase = FakeMemory::kBase;
  static constexpr uint64_t kReadOnlyBase = FakeMemory::kReadOnlyBase;
  static constexpr uint64_t kAliasBase = FakeMemory::kAliasBase;
  static constexpr uint64_t kSize = FakeMemory::kSize;
  static constexpr uint64_t kNonce = 0x1122334455667788;
  static constexpr uint32_t kReady =
      PVSCHED_STATUS_ACKNOWLEDGE | PVSCHED_STATUS_DRIVER | PVSCHED_STATUS_FEATURES_OK;
  static constexpr uint64_t kFeatures =
      PVSCHED_F_GRANT | PVSCHED_F_PREEMPT_COUNT | PVSCHED_F_IRQ_TICKET | PVSCHED_F_RAN_URGENT;

  uint32_t Read32(uint64_t offset) { return static_cast<uint32_t>(device_.ReadBar0(offset, 4)); }
  uint64_t Read64(uint64_t offset) { return device_.ReadBar0(offset, 8); }
  void Write32(uint64_t offset, uint32_t value) { device_.WriteBar0(offset, 4, value); }
  void Write64(uint64_t offset, uint64_t value) { device_.WriteBar0(offset, 8, value); }

  void Negotiate(uint64_t features = PVSCHED_F_GRANT) {
    Write32(PVSCHED_REG_STATUS, PVSCHED_STATUS_ACKNOWLEDGE);
    Write32(PVSCHED_REG_STATUS, PVSCHED_STATUS_ACKNOWLEDGE | PVSCHED_STATUS_DRIVER);
    Write64(PVSCHED_REG_DRIVER_FEATURES, features);
    Write32(PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION);
    Write32(PVSCHED_REG_STATUS, kReady);
    ASSERT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
  }

  void PutRecord(uint64_t gpa, uint32_t vcpu_id, uint64_t nonce = kNonce) {
    *memory_.At(gpa) = MakeRecord(vcpu_id, nonce);
  }

  // Returns PVSCHED_REG_RESULT.
  uint32_t Register(uint32_t vcpu_id, uint64_t gpa) {
    Write32(PVSCHED_REG_VCPU_SELECT, vcpu_id);
    Write64(PVSCHED_REG_RECORD_ADDR, gpa);
    return Read32(PVSCHED_REG_RESULT);
  }
  uint32_t Withdraw(uint32_t vcpu_id) { return Register(vcpu_id, 0); }

  FakeMemory memory_;
  ::testing::NiceMock<MockSink> sink_;  // returns OK by default
  Device device_{{.max_vcpus = 4, .features = kFeatures}, &memory_, &sink_};
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_UNIT_DEVICE_FIXTURE_H_
