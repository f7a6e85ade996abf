// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <gtest/gtest.h>
#include <linux/pci_regs.h>

#include <array>
#include <cstring>

#include "pvsched_abi.h"
#include "vmm-device/pci_config.h"

namespace pvsched {
namespace {

class PciConfigTest : public ::testing::Test {
 protected:
  template <typename T>
  T Read(uint64_t offset) {
    T value;
    config_.Read(offset, reinterpret_cast<uint8_t*>(&value), sizeof(value));
    return value;
  }
  template <typename T>
  void Write(uint64_t offset, T value) {
    config_.Write(offset, reinterpret_cast<const uint8_t*>(&value), sizeof(value));
  }

  PciConfig config_;
};

TEST_F(PciConfigTest, IdentityIsTheAbiHeaders) {
  EXPECT_EQ(Read<uint16_t>(PCI_VENDOR_ID), PVSCHED_PCI_VENDOR_ID);
  EXPECT_EQ(Read<uint16_t>(PCI_DEVICE_ID), PVSCHED_PCI_DEVICE_ID);
  EXPECT_EQ(Read<uint32_t>(PCI_CLASS_REVISION),
            uint32_t{PVSCHED_PCI_CLASS} << 8 | PVSCHED_PCI_REVISION);
  EXPECT_EQ(Read<uint8_t>(PCI_HEADER_TYPE), PCI_HEADER_TYPE_NORMAL);
}

TEST_F(PciConfigTest, InterruptAndCapabilitiesAreAbsent) {
  EXPECT_EQ(Read<uint8_t>(PCI_INTERRUPT_PIN), 0);
  EXPECT_EQ(Read<uint8_t>(PCI_CAPABILITY_LIST), 0);
  EXPECT_EQ(Read<uint16_t>(PCI_STATUS) & PCI_STATUS_CAP_LIST, 0);
}

TEST_F(PciConfigTest, Bar0IsSizedAs4KiBOf32BitMemory) {
  Write<uint32_t>(PCI_BASE_ADDRESS_0, 0xffffffff);
  EXPECT_EQ(Read<uint32_t>(PCI_BASE_ADDRESS_0), 0xfffff000u);
  Write<uint32_t>(PCI_BASE_ADDRESS_0, 0xfebf1234);
  EXPECT_EQ(Read<uint32_t>(PCI_BASE_ADDRESS_0), 0xfebf1000u);
}

TEST_F(PciConfigTest, OtherBarsAndTheRomAreAbsent) {
  for (uint64_t offset = PCI_BASE_ADDRESS_1; offset <= PCI_BASE_ADDRESS_5; offset += 4) {
    Write<uint32_t>(offset, 0xffffffff);
    EXPECT_EQ(Read<uint32_t>(offset), 0u) << offset;
  }
  Write<uint32_t>(PCI_ROM_ADDRESS, 0xfffff801);
  EXPECT_EQ(Read<uint32_t>(PCI_ROM_ADDRESS), 0u);
}

TEST_F(PciConfigTest, CommandEnablesMemoryAndBusMasterButNotIoPorts) {
  Write<uint16_t>(PCI_COMMAND, 0xffff);
  const auto command = Read<uint16_t>(PCI_COMMAND);
  EXPECT_TRUE(command & PCI_COMMAND_MEMORY);
  EXPECT_TRUE(command & PCI_COMMAND_MASTER);
  EXPECT_FALSE(command & PCI_COMMAND_IO);
}

TEST_F(PciConfigTest, ByteWriteChangesOneByte) {
  Write<uint8_t>(PCI_BASE_ADDRESS_0 + 3, 0xfe);
  EXPECT_EQ(Read<uint32_t>(PCI_BASE_ADDRESS_0), 0xfe000000u);
}

TEST_F(PciConfigTest, ResetRestoresThePowerOnState) {
  Write<uint32_t>(PCI_BASE_ADDRESS_0, 0xfebf0000);
  Write<uint16_t>(PCI_COMMAND, 7);
  config_.Reset();
  EXPECT_EQ(Read<uint32_t>(PCI_BASE_ADDRESS_0), 0u);
  EXPECT_EQ(Read<uint16_t>(PCI_COMMAND), 0);
  EXPECT_EQ(Read<uint16_t>(PCI_DEVICE_ID), PVSCHED_PCI_DEVICE_ID);
}

TEST_F(PciConfigTest, AccessBeyondTheEndReadsOnesAndWritesNothing) {
  EXPECT_EQ(Read<uint32_t>(PciConfig::kSize), 0xffffffffu);
  EXPECT_EQ(Read<uint32_t>(UINT64_MAX - 3), 0xffffffffu);
  EXPECT_EQ(Read<uint32_t>(PciConfig::kSize - 2), 0xffff0000u);
  std::array<uint8_t, 512> ones;
  ones.fill(0xff);
  config_.Write(PciConfig::kSize - 4, ones.data(), ones.size());
  config_.Write(UINT64_MAX - 3, ones.data(), 4);
}

}  // namespace
}  // namespace pvsched
