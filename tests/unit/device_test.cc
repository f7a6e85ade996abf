// SPDX-License-Identifier: Apache-2.0
#include "vmm-device/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <vector>

namespace pvsched {
namespace {

using ::testing::_;
using ::testing::InSequence;
using ::testing::NiceMock;
using ::testing::Return;
using ::testing::StrictMock;

constexpr uint64_t kBase = 0x10000;
constexpr uint64_t kSize = 0x10000;
constexpr uint64_t kReadOnlyBase = 0x40000;
constexpr uint64_t kAliasBase = 0x80000;  // the same memory again
constexpr int kFd = 7;
constexpr uint64_t kNonce = 0x1122334455667788;

class FakeMemory : public GuestMemory {
 public:
  absl::StatusOr<Location> Translate(uint64_t gpa, uint64_t size) const override {
    for (const uint64_t base : {kBase, kReadOnlyBase, kAliasBase}) {
      if (present && gpa >= base && gpa - base < kSize && size <= kSize - (gpa - base)) {
        return Location{.fd = kFd,
                        .offset = gpa - base + (base == kReadOnlyBase ? kSize : 0),
                        .writable = base != kReadOnlyBase,
                        .file_dev = 1,
                        .file_ino = 2};
      }
    }
    return absl::NotFoundError("no memory");
  }

  absl::Status Read(const Location& location, void* out, size_t size) const override {
    if (truncated) return absl::OutOfRangeError("truncated");
    memcpy(out, bytes.data() + location.offset, size);
    return absl::OkStatus();
  }

  pvsched_record* At(uint64_t gpa) {
    return reinterpret_cast<pvsched_record*>(bytes.data() + (gpa - kBase));
  }

  bool present = true;
  bool truncated = false;
  std::vector<uint8_t> bytes = std::vector<uint8_t>(2 * kSize);
};

class MockSink : public RecordSink {
 public:
  MOCK_METHOD(absl::Status, Register,
              (uint32_t vcpu, int fd, uint64_t offset, const Extras& extras), (override));
  MOCK_METHOD(absl::Status, Withdraw, (uint32_t vcpu), (override));
  MOCK_METHOD(absl::Status, WithdrawAll, (), (override));
};

class DeviceTest : public ::testing::Test {
 protected:
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

  void PutRecord(uint64_t gpa, uint32_t vcpu, uint64_t nonce = kNonce) {
    *memory_.At(gpa) = pvsched_record{};
    memory_.At(gpa)->magic = PVSCHED_MAGIC;
    memory_.At(gpa)->version = PVSCHED_VERSION_MAJOR;
    memory_.At(gpa)->size = PVSCHED_RECORD_SIZE;
    memory_.At(gpa)->vcpu_id = vcpu;
    memory_.At(gpa)->nonce = nonce;
  }

  uint32_t Register(uint32_t vcpu, uint64_t gpa) {
    Write32(PVSCHED_REG_VCPU_SELECT, vcpu);
    Write64(PVSCHED_REG_RECORD_ADDR, gpa);
    return Read32(PVSCHED_REG_RESULT);
  }

  static constexpr uint32_t kReady =
      PVSCHED_STATUS_ACKNOWLEDGE | PVSCHED_STATUS_DRIVER | PVSCHED_STATUS_FEATURES_OK;

  static constexpr uint64_t kFeatures =
      PVSCHED_F_GRANT | PVSCHED_F_PREEMPT_COUNT | PVSCHED_F_IRQ_TICKET;

  FakeMemory memory_;
  NiceMock<MockSink> sink_;  // a default absl::Status is OK
  Device device_{{.max_vcpus = 4, .features = kFeatures}, &memory_, &sink_};
};

TEST_F(DeviceTest, IdentityRegistersReadAsTheAbiSays) {
  EXPECT_EQ(Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC);
  EXPECT_EQ(Read32(PVSCHED_REG_VERSION), PVSCHED_VERSION);
  EXPECT_EQ(Read64(PVSCHED_REG_DEVICE_FEATURES), kFeatures);
  EXPECT_EQ(Read32(PVSCHED_REG_MAX_VCPUS), 4u);
  EXPECT_EQ(Read32(PVSCHED_REG_RECORD_SIZE), 256u);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
}

TEST_F(DeviceTest, ReadsOfAnyAlignedWidthAgree) {
  EXPECT_EQ(device_.ReadBar0(0, 8), uint64_t{PVSCHED_VERSION} << 32 | PVSCHED_MAGIC);
  EXPECT_EQ(device_.ReadBar0(4, 4), PVSCHED_VERSION);
  EXPECT_EQ(device_.ReadBar0(2, 2), PVSCHED_MAGIC >> 16);
  EXPECT_EQ(device_.ReadBar0(3, 1), PVSCHED_MAGIC >> 24);
  Write64(PVSCHED_REG_DRIVER_FEATURES, 0x0102030405060708);
  EXPECT_EQ(device_.ReadBar0(PVSCHED_REG_DRIVER_FEATURES + 4, 4), 0x01020304u);
  EXPECT_EQ(device_.ReadBar0(PVSCHED_REG_DRIVER_FEATURES + 7, 1), 0x01u);
}

TEST_F(DeviceTest, UnalignedOddOrDistantReadsAreZero) {
  EXPECT_EQ(device_.ReadBar0(1, 4), 0u);
  EXPECT_EQ(device_.ReadBar0(0, 3), 0u);
  EXPECT_EQ(device_.ReadBar0(0, 0), 0u);
  EXPECT_EQ(device_.ReadBar0(0, 16), 0u);
  EXPECT_EQ(device_.ReadBar0(PVSCHED_BAR0_SIZE, 4), 0u);
  EXPECT_EQ(device_.ReadBar0(UINT64_MAX - 7, 8), 0u);
  EXPECT_EQ(Read64(0x100), 0u);
}

TEST_F(DeviceTest, WritesOfAnotherWidthChangeNothing) {
  Negotiate();
  device_.WriteBar0(PVSCHED_REG_VCPU_SELECT, 8, 3);
  device_.WriteBar0(PVSCHED_REG_VCPU_SELECT, 1, 3);
  device_.WriteBar0(PVSCHED_REG_RECORD_ADDR, 4, kBase);
  device_.WriteBar0(PVSCHED_REG_STATUS, 2, 0);
  device_.WriteBar0(PVSCHED_REG_STATUS, 0, 0);
  EXPECT_EQ(Read32(PVSCHED_REG_VCPU_SELECT), 0u);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
  EXPECT_EQ(device_.counters().bad_accesses, 5u);
}

TEST_F(DeviceTest, WritesToReadOnlyRegistersChangeNothing) {
  std::array<uint64_t, PVSCHED_BAR0_SIZE / 8> before;
  for (size_t i = 0; i < before.size(); ++i) before[i] = Read64(8 * i);
  for (const uint64_t offset :
       {PVSCHED_REG_MAGIC, PVSCHED_REG_VERSION, PVSCHED_REG_MAX_VCPUS, PVSCHED_REG_RECORD_SIZE,
        PVSCHED_REG_RESULT, PVSCHED_REG_REGISTERED, 0x100}) {
    Write32(offset, 0xffffffff);
  }
  for (const uint64_t offset : {PVSCHED_REG_DEVICE_FEATURES, PVSCHED_REG_NONCE, 0x100}) {
    Write64(offset, UINT64_MAX);
  }
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(Read64(8 * i), before[i]) << 8 * i;
  EXPECT_EQ(device_.counters().bad_accesses, 10u);
}

TEST_F(DeviceTest, FeaturesOkSticksForASubset) {
  Negotiate();
  EXPECT_EQ(Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_OK);
}

TEST_F(DeviceTest, FeaturesOkDoesNotStickForMoreThanIsOffered) {
  Write32(PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION);
  Write64(PVSCHED_REG_DRIVER_FEATURES, kFeatures | uint64_t{1} << 40);
  Write32(PVSCHED_REG_STATUS, kReady);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady & ~uint32_t{PVSCHED_STATUS_FEATURES_OK});
  EXPECT_EQ(Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_NOT_READY);

  Write64(PVSCHED_REG_DRIVER_FEATURES, PVSCHED_F_GRANT);
  Write32(PVSCHED_REG_STATUS, kReady);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
}

TEST_F(DeviceTest, FeaturesOkDoesNotStickForAnotherMajor) {
  for (const uint32_t major : {0, PVSCHED_VERSION_MAJOR + 1}) {
    Write32(PVSCHED_REG_DRIVER_VERSION, major << 16);
    Write32(PVSCHED_REG_STATUS, kReady);
    EXPECT_FALSE(Read32(PVSCHED_REG_STATUS) & PVSCHED_STATUS_FEATURES_OK);
  }
}

TEST_F(DeviceTest, AnyMinorOfTheMajorIsAccepted) {
  Write32(PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION + 3);
  Write32(PVSCHED_REG_STATUS, kReady);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
}

TEST_F(DeviceTest, WhatFeaturesOkWasJudgedByIsFrozen) {
  Negotiate();
  Write64(PVSCHED_REG_DRIVER_FEATURES, UINT64_MAX);
  Write32(PVSCHED_REG_DRIVER_VERSION, 0);
  EXPECT_EQ(Read64(PVSCHED_REG_DRIVER_FEATURES), PVSCHED_F_GRANT);
  EXPECT_EQ(Read32(PVSCHED_REG_DRIVER_VERSION), PVSCHED_VERSION);
}

TEST_F(DeviceTest, DriverOkNeedsFeaturesOk) {
  Write32(PVSCHED_REG_STATUS, PVSCHED_STATUS_DRIVER_OK);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_EQ(Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_NOT_READY);
  Negotiate();
  Write32(PVSCHED_REG_STATUS, kReady | PVSCHED_STATUS_DRIVER_OK);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady | PVSCHED_STATUS_DRIVER_OK);
}

TEST_F(DeviceTest, StatusBitsAreOnlyGainedAndUnknownOnesIgnored) {
  Negotiate();
  Write32(PVSCHED_REG_STATUS, PVSCHED_STATUS_ACKNOWLEDGE | 0xffffff40);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
}

TEST_F(DeviceTest, RegistrationHandsTheRecordOver) {
  Negotiate();
  PutRecord(kBase + 0x300, 2);
  EXPECT_CALL(sink_, Register(2, kFd, 0x300, _)).WillOnce(Return(absl::OkStatus()));
  EXPECT_EQ(Register(2, kBase + 0x300), PVSCHED_RESULT_OK);
  EXPECT_EQ(Read64(PVSCHED_REG_NONCE), kNonce);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
  EXPECT_EQ(Read64(PVSCHED_REG_RECORD_ADDR), kBase + 0x300);
  Write32(PVSCHED_REG_VCPU_SELECT, 1);
  EXPECT_EQ(Read64(PVSCHED_REG_RECORD_ADDR), 0u);
}

// Each request is bad in all the later ways too, so this is the order.
TEST_F(DeviceTest, BadRequestsAreJudgedInTheOrderOfTheResults) {
  EXPECT_CALL(sink_, Register(_, _, _, _)).Times(0);
  const uint64_t unaligned_unmapped = 0x1001;
  EXPECT_EQ(Register(4, unaligned_unmapped), PVSCHED_RESULT_NOT_READY);
  Negotiate();
  EXPECT_EQ(Register(4, unaligned_unmapped), PVSCHED_RESULT_BAD_VCPU);
  EXPECT_EQ(Register(3, unaligned_unmapped), PVSCHED_RESULT_UNALIGNED);
  EXPECT_EQ(Register(3, 0x1000), PVSCHED_RESULT_NOT_MAPPED);
  EXPECT_EQ(Register(3, kReadOnlyBase), PVSCHED_RESULT_READ_ONLY);
  EXPECT_EQ(Register(3, kBase), PVSCHED_RESULT_BAD_RECORD);
  ::testing::Mock::VerifyAndClearExpectations(&sink_);

  PutRecord(kBase, 0);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(0, unaligned_unmapped), PVSCHED_RESULT_ALREADY);
  EXPECT_EQ(Register(3, kBase), PVSCHED_RESULT_IN_USE) << "before its vCPU id is found wrong";
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
}

TEST_F(DeviceTest, NothingIsRegisteredAfterFailed) {
  Negotiate();
  PutRecord(kBase, 0);
  Write32(PVSCHED_REG_STATUS, PVSCHED_STATUS_FAILED);
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_NOT_READY);
  EXPECT_EQ(Register(0, 0), PVSCHED_RESULT_NOT_READY);
}

TEST_F(DeviceTest, AnAliasOfARecordIsInUse) {
  Negotiate();
  PutRecord(kBase, 0);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(1, kAliasBase), PVSCHED_RESULT_IN_USE);
}

TEST_F(DeviceTest, EachFieldOfTheHeaderIsJudged) {
  Negotiate();
  const auto judge = [&](auto spoil) {
    PutRecord(kBase, 0);
    spoil(*memory_.At(kBase));
    return Register(0, kBase);
  };
  EXPECT_EQ(judge([](auto& r) { r.magic ^= 1; }), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(judge([](auto& r) { r.version += 1; }), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(judge([](auto& r) { r.size = 128; }), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(judge([](auto& r) { r.vcpu_id = 1; }), PVSCHED_RESULT_BAD_RECORD);
  EXPECT_EQ(Read64(PVSCHED_REG_NONCE), kNonce) << "shown to tell memory that is not shared";
  EXPECT_EQ(judge([](auto& r) { r.reserved1[0] = 1; }), PVSCHED_RESULT_OK) << "reserved: ignored";
}

TEST_F(DeviceTest, NonceIsZeroUnlessTheRecordWasRead) {
  Negotiate();
  PutRecord(kBase, 0);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  ASSERT_EQ(Read64(PVSCHED_REG_NONCE), kNonce);
  EXPECT_EQ(Register(1, 0x1000), PVSCHED_RESULT_NOT_MAPPED);
  EXPECT_EQ(Read64(PVSCHED_REG_NONCE), 0u);
}

TEST_F(DeviceTest, ATruncatedFileIsNotMapped) {
  Negotiate();
  PutRecord(kBase, 0);
  memory_.truncated = true;
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_NOT_MAPPED);
}

TEST_F(DeviceTest, AddressesNearTheEndOfMemoryAreJudged) {
  Negotiate();
  PutRecord(kBase + kSize - 256, 0);
  EXPECT_EQ(Register(0, kBase + kSize - 256), PVSCHED_RESULT_OK);
  EXPECT_EQ(Register(1, kBase + kSize), PVSCHED_RESULT_NOT_MAPPED);
  EXPECT_EQ(Register(1, UINT64_MAX - 255), PVSCHED_RESULT_NOT_MAPPED);
}

TEST_F(DeviceTest, WhatTheHostRefusesIsNotHeld) {
  Negotiate();
  PutRecord(kBase, 0);
  EXPECT_CALL(sink_, Register(0, _, _, _))
      .WillOnce(Return(absl::PermissionDeniedError("too many")))
      .WillOnce(Return(absl::DeadlineExceededError("asleep")))
      .WillOnce(Return(absl::OkStatus()));
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_REFUSED);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_HOST_TIMEOUT);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_REFUSED], 1u);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_HOST_TIMEOUT], 1u);
}

TEST_F(DeviceTest, WithdrawalTakesTheRecordBackAndTheVcpuCanRegisterAgain) {
  Negotiate();
  PutRecord(kBase, 1);
  ASSERT_EQ(Register(1, kBase), PVSCHED_RESULT_OK);
  EXPECT_CALL(sink_, Withdraw(1)).WillOnce(Return(absl::OkStatus()));
  EXPECT_EQ(Register(1, 0), PVSCHED_RESULT_OK);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
  PutRecord(kBase + 256, 1);
  EXPECT_EQ(Register(1, kBase + 256), PVSCHED_RESULT_OK);
}

TEST_F(DeviceTest, WithdrawalIsAskedForAgainUntilTheHostConfirms) {
  Negotiate();
  PutRecord(kBase, 1);
  ASSERT_EQ(Register(1, kBase), PVSCHED_RESULT_OK);
  EXPECT_CALL(sink_, Withdraw(1))
      .Times(2)
      .WillOnce(Return(absl::DeadlineExceededError("asleep")))
      .WillOnce(Return(absl::OkStatus()));
  EXPECT_EQ(Register(1, 0), PVSCHED_RESULT_HOST_TIMEOUT);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
  EXPECT_EQ(Register(1, 0), PVSCHED_RESULT_OK);
}

TEST_F(DeviceTest, StatusZeroWithdrawsAllAndForgets) {
  Negotiate();
  PutRecord(kBase, 1);
  ASSERT_EQ(Register(1, kBase), PVSCHED_RESULT_OK);
  EXPECT_CALL(sink_, WithdrawAll()).WillOnce(Return(absl::OkStatus()));
  Write32(PVSCHED_REG_STATUS, 0);
  for (const uint64_t reg : {PVSCHED_REG_STATUS, PVSCHED_REG_RESULT, PVSCHED_REG_REGISTERED,
                             PVSCHED_REG_VCPU_SELECT, PVSCHED_REG_DRIVER_VERSION}) {
    EXPECT_EQ(Read32(reg), 0u) << reg;
  }
  EXPECT_EQ(Read64(PVSCHED_REG_DRIVER_FEATURES), 0u);
  EXPECT_EQ(Read64(PVSCHED_REG_NONCE), 0u);
  EXPECT_EQ(Read64(PVSCHED_REG_RECORD_ADDR), 0u);
}

TEST_F(DeviceTest, AResetThatTheHostDoesNotConfirmSaysSo) {
  Negotiate();
  EXPECT_CALL(sink_, WithdrawAll()).WillRepeatedly(Return(absl::DeadlineExceededError("asleep")));
  Write32(PVSCHED_REG_STATUS, 0);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_EQ(Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_HOST_TIMEOUT);
  EXPECT_FALSE(device_.Reset());
}

TEST_F(DeviceTest, RecordsLeaveTheHostWithTheirMemoryAndComeBackWithIt) {
  Negotiate();
  PutRecord(kBase, 0);
  PutRecord(kBase + 256, 1);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  ASSERT_EQ(Register(1, kBase + 256), PVSCHED_RESULT_OK);
  {
    InSequence sequence;
    EXPECT_CALL(sink_, Withdraw(1)).WillOnce(Return(absl::OkStatus()));
    EXPECT_CALL(sink_, Register(1, kFd, 256, _)).WillOnce(Return(absl::OkStatus()));
  }
  device_.MemoryGoing(kBase + 256, kSize);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
  device_.MemoryCame();
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 2u);
}

TEST_F(DeviceTest, MemoryElsewhereDoesNotMatter) {
  Negotiate();
  PutRecord(kBase + 256, 0);
  ASSERT_EQ(Register(0, kBase + 256), PVSCHED_RESULT_OK);
  EXPECT_CALL(sink_, Withdraw(_)).Times(0);
  device_.MemoryGoing(0, kBase + 256);
  device_.MemoryGoing(kBase + 512, UINT64_MAX);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
}

TEST_F(DeviceTest, OtherMemoryAtTheSameAddressIsNotTaken) {
  Negotiate();
  PutRecord(kBase, 0);
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  device_.MemoryGoing(0, UINT64_MAX);
  EXPECT_CALL(sink_, Register(_, _, _, _)).Times(0);
  memory_.present = false;
  device_.MemoryCame();
  memory_.present = true;
  PutRecord(kBase, 0, kNonce + 1);
  device_.MemoryCame();
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
}

TEST_F(DeviceTest, CountersCountByResult) {
  Register(0, kBase);
  Negotiate();
  Register(9, kBase);
  Register(0, kBase);
  Register(0, kBase);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_NOT_READY], 1u);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_BAD_VCPU], 1u);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_BAD_RECORD], 2u);
  EXPECT_EQ(device_.counters().results[PVSCHED_RESULT_OK], 0u);
}

// Whatever the guest does, what the host was given and not asked back is what
// REGISTERED says, and nothing is given without FEATURES_OK.
TEST_F(DeviceTest, AnyRunOfAccessesKeepsTheBooksStraight) {
  std::map<uint32_t, uint64_t> given;
  ON_CALL(sink_, Register(_, _, _, _))
      .WillByDefault([&](uint32_t vcpu, int, uint64_t offset, const auto&) {
        EXPECT_TRUE(Read32(PVSCHED_REG_STATUS) & PVSCHED_STATUS_FEATURES_OK);
        EXPECT_TRUE(given.emplace(vcpu, offset).second);
        return absl::OkStatus();
      });
  ON_CALL(sink_, Withdraw(_)).WillByDefault([&](uint32_t vcpu) {
    given.erase(vcpu);
    return absl::OkStatus();
  });
  ON_CALL(sink_, WithdrawAll()).WillByDefault([&] {
    given.clear();
    return absl::OkStatus();
  });
  for (uint32_t vcpu = 0; vcpu < 4; ++vcpu) PutRecord(kBase + vcpu * 256, vcpu);

  std::mt19937_64 random(1);
  const uint64_t values[] = {0,           1,       2,           3,
                             kReady,      kBase,   kBase + 256, kBase + 512,
                             kBase + 768, 0x10000, UINT64_MAX,  PVSCHED_VERSION};
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t value = values[random() % std::size(values)];
    switch (random() % 16) {
      case 0:
        device_.WriteBar0(random() % 0x60, random() % 10, random());
        break;
      case 1:
        if (random() % 8 == 0) device_.MemoryGoing(kBase, 512);
        break;
      case 2:
        device_.MemoryCame();
        break;
      case 3:
        if (random() % 16 == 0) device_.Reset();
        break;
      default:
        if (random() % 2) {
          device_.WriteBar0(0x18 + random() % 12 * 4, 4, value);
        } else {
          device_.WriteBar0(0x08 + random() % 10 * 8, 8, value);
        }
    }
    ASSERT_EQ(Read32(PVSCHED_REG_REGISTERED), given.size()) << "step " << i;
  }
}

TEST_F(DeviceTest, PreemptCountComesWithTheRecordIfNegotiated) {
  Negotiate(kFeatures);
  PutRecord(kBase, 0);
  memory_.At(kBase)->preempt_count_addr = kBase + 0x804;
  memory_.At(kBase)->preempt_count_mask = 0x7fffffff;
  EXPECT_CALL(sink_, Register(0, kFd, 0, _))
      .WillOnce([](uint32_t, int, uint64_t, const RecordSink::Extras& extras) {
        EXPECT_EQ(extras.features, kFeatures);
        EXPECT_EQ(extras.preempt_fd, kFd);
        EXPECT_EQ(extras.preempt_offset, 0x804u);
        EXPECT_EQ(extras.preempt_mask, 0x7fffffffu);
        return absl::OkStatus();
      });
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
}

TEST_F(DeviceTest, ARecordThatComesBackIsWithdrawnWithThePreemptCountItHasThen) {
  Negotiate(kFeatures);
  PutRecord(kBase, 0);
  memory_.At(kBase)->preempt_count_addr = kBase + 0x800;
  ASSERT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
  device_.MemoryGoing(kBase, 256);
  memory_.At(kBase)->preempt_count_addr = kBase + 0xc00;
  device_.MemoryCame();
  ASSERT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
  device_.MemoryGoing(kBase + 0x800, 4);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 1u);
  device_.MemoryGoing(kBase + 0xc00, 4);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
}

TEST_F(DeviceTest, PreemptCountIsIgnoredIfNotNegotiated) {
  Negotiate();
  PutRecord(kBase, 0);
  memory_.At(kBase)->preempt_count_addr = 0x1003;
  EXPECT_CALL(sink_, Register(0, kFd, 0, _))
      .WillOnce([](uint32_t, int, uint64_t, const RecordSink::Extras& extras) {
        EXPECT_EQ(extras.preempt_fd, -1);
        return absl::OkStatus();
      });
  EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_OK);
}

TEST_F(DeviceTest, PreemptCountOutOfReachIsABadRecord) {
  Negotiate(kFeatures);
  for (const uint64_t address : {uint64_t{0x1000}, kBase + 0x802, kReadOnlyBase, ~uint64_t{3}}) {
    PutRecord(kBase, 0);
    memory_.At(kBase)->preempt_count_addr = address;
    EXPECT_CALL(sink_, Register(_, _, _, _)).Times(0);
    EXPECT_EQ(Register(0, kBase), PVSCHED_RESULT_BAD_RECORD) << address;
  }
}

}  // namespace
}  // namespace pvsched
