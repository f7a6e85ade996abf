// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// BAR0: registers, access widths, and feature negotiation.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "tests/unit/abi_header.h"
#include "tests/unit/device_fixture.h"

namespace pvsched {
namespace {

class DeviceBar0Test : public DeviceTest {};

TEST_F(DeviceBar0Test, IdentityRegistersHaveTheAbisValues) {
  EXPECT_EQ(Read32(PVSCHED_REG_MAGIC), PVSCHED_MAGIC);
  EXPECT_EQ(Read32(PVSCHED_REG_VERSION), PVSCHED_VERSION);
  EXPECT_EQ(Read64(PVSCHED_REG_DEVICE_FEATURES), kFeatures);
  EXPECT_EQ(Read32(PVSCHED_REG_MAX_VCPUS), 4u);
  EXPECT_EQ(Read32(PVSCHED_REG_RECORD_SIZE), 256u);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_EQ(Read32(PVSCHED_REG_REGISTERED), 0u);
}

TEST_F(DeviceBar0Test, AlignedReadsOfAllWidthsAgree) {
  EXPECT_EQ(device_.ReadBar0(0, 8), uint64_t{PVSCHED_VERSION} << 32 | PVSCHED_MAGIC);
  EXPECT_EQ(device_.ReadBar0(4, 4), PVSCHED_VERSION);
  EXPECT_EQ(device_.ReadBar0(2, 2), PVSCHED_MAGIC >> 16);
  EXPECT_EQ(device_.ReadBar0(3, 1), PVSCHED_MAGIC >> 24);
  Write64(PVSCHED_REG_DRIVER_FEATURES, 0x0102030405060708);
  EXPECT_EQ(device_.ReadBar0(PVSCHED_REG_DRIVER_FEATURES + 4, 4), 0x01020304u);
  EXPECT_EQ(device_.ReadBar0(PVSCHED_REG_DRIVER_FEATURES + 7, 1), 0x01u);
}

TEST_F(DeviceBar0Test, UnalignedOddOrOutOfRangeReadsReturnZero) {
  EXPECT_EQ(device_.ReadBar0(1, 4), 0u);
  EXPECT_EQ(device_.ReadBar0(0, 3), 0u);
  EXPECT_EQ(device_.ReadBar0(0, 0), 0u);
  EXPECT_EQ(device_.ReadBar0(0, 16), 0u);
  EXPECT_EQ(device_.ReadBar0(PVSCHED_BAR0_SIZE, 4), 0u);
  EXPECT_EQ(device_.ReadBar0(UINT64_MAX - 7, 8), 0u);
  EXPECT_EQ(Read64(0x100), 0u);
}

TEST_F(DeviceBar0Test, WritesOfWrongWidthHaveNoEffect) {
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

TEST_F(DeviceBar0Test, WritesToReadOnlyRegistersHaveNoEffect) {
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

TEST_F(DeviceBar0Test, FeaturesOkIsSetForASubsetOfTheFeatures) {
  Negotiate();
  EXPECT_EQ(Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_OK);
}

TEST_F(DeviceBar0Test, FeaturesOkIsNotSetForUnofferedFeatures) {
  Write32(PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION);
  Write64(PVSCHED_REG_DRIVER_FEATURES, kFeatures | uint64_t{1} << 40);
  Write32(PVSCHED_REG_STATUS, kReady);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady & ~uint32_t{PVSCHED_STATUS_FEATURES_OK});
  EXPECT_EQ(Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_NOT_READY);

  Write64(PVSCHED_REG_DRIVER_FEATURES, PVSCHED_F_GRANT);
  Write32(PVSCHED_REG_STATUS, kReady);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
}

TEST_F(DeviceBar0Test, FeaturesOkIsNotSetForAnotherMajorVersion) {
  for (const uint32_t major : {0, PVSCHED_VERSION_MAJOR + 1}) {
    Write32(PVSCHED_REG_DRIVER_VERSION, major << 16);
    Write32(PVSCHED_REG_STATUS, kReady);
    EXPECT_FALSE(Read32(PVSCHED_REG_STATUS) & PVSCHED_STATUS_FEATURES_OK);
  }
}

TEST_F(DeviceBar0Test, FeaturesOkIsSetForAnyMinorVersion) {
  Write32(PVSCHED_REG_DRIVER_VERSION, PVSCHED_VERSION + 3);
  Write32(PVSCHED_REG_STATUS, kReady);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
}

TEST_F(DeviceBar0Test, DriverFeaturesAndVersionAreFrozenAfterFeaturesOk) {
  Negotiate();
  Write64(PVSCHED_REG_DRIVER_FEATURES, UINT64_MAX);
  Write32(PVSCHED_REG_DRIVER_VERSION, 0);
  EXPECT_EQ(Read64(PVSCHED_REG_DRIVER_FEATURES), PVSCHED_F_GRANT);
  EXPECT_EQ(Read32(PVSCHED_REG_DRIVER_VERSION), PVSCHED_VERSION);
}

TEST_F(DeviceBar0Test, DriverOkNeedsFeaturesOk) {
  Write32(PVSCHED_REG_STATUS, PVSCHED_STATUS_DRIVER_OK);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), 0u);
  EXPECT_EQ(Read32(PVSCHED_REG_RESULT), PVSCHED_RESULT_NOT_READY);
  Negotiate();
  Write32(PVSCHED_REG_STATUS, kReady | PVSCHED_STATUS_DRIVER_OK);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady | PVSCHED_STATUS_DRIVER_OK);
}

TEST_F(DeviceBar0Test, StatusWriteClearsNoBitsAndIgnoresUnknownBits) {
  Negotiate();
  Write32(PVSCHED_REG_STATUS, PVSCHED_STATUS_ACKNOWLEDGE | 0xffffff40);
  EXPECT_EQ(Read32(PVSCHED_REG_STATUS), kReady);
}

// The names appear in logs. The header is the only source of the values.
TEST_F(DeviceBar0Test, ResultNamesAreTheAbiHeadersNames) {
  const std::vector<AbiValue> results = AbiValues("PVSCHED_RESULT_");
  for (const AbiValue& result : results) {
    EXPECT_EQ(ResultName(static_cast<uint32_t>(result.value)), result.name);
  }
  EXPECT_EQ(results.size(), device_.counters().results.size());
  EXPECT_STREQ(ResultName(static_cast<uint32_t>(results.size())), "?");
}

}  // namespace
}  // namespace pvsched
