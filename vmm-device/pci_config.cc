// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/pci_config.h"

#include <linux/pci_regs.h>

#include "pvsched_abi.h"

namespace pvsched {
namespace {

using Space = std::array<uint8_t, PciConfig::kSize>;

constexpr void Put(Space& space, size_t offset, uint32_t value, size_t width) {
  for (size_t i = 0; i < width; ++i) space[offset + i] = static_cast<uint8_t>(value >> (8 * i));
}

// BAR0's type bits are zero: 32-bit memory, not prefetchable.
constexpr Space kPowerOn = [] {
  Space space{};
  Put(space, PCI_VENDOR_ID, PVSCHED_PCI_VENDOR_ID, 2);
  Put(space, PCI_DEVICE_ID, PVSCHED_PCI_DEVICE_ID, 2);
  Put(space, PCI_REVISION_ID, PVSCHED_PCI_REVISION, 1);
  Put(space, PCI_CLASS_PROG, PVSCHED_PCI_CLASS, 3);
  Put(space, PCI_SUBSYSTEM_VENDOR_ID, PVSCHED_PCI_VENDOR_ID, 2);
  Put(space, PCI_SUBSYSTEM_ID, PVSCHED_PCI_DEVICE_ID, 2);
  return space;
}();

// The bits that a guest may change.
constexpr Space kWritable = [] {
  Space space{};
  Put(space, PCI_COMMAND,
      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE,
      2);
  Put(space, PCI_CACHE_LINE_SIZE, 0xff, 1);
  Put(space, PCI_LATENCY_TIMER, 0xff, 1);
  Put(space, PCI_BASE_ADDRESS_0, ~uint32_t{PVSCHED_BAR0_SIZE - 1}, 4);
  Put(space, PCI_INTERRUPT_LINE, 0xff, 1);
  return space;
}();

}  // namespace

PciConfig::PciConfig() : value_(kPowerOn) {}

void PciConfig::Reset() { value_ = kPowerOn; }

void PciConfig::Restore(const Bytes& bytes) {
  Reset();
  Write(0, bytes.data(), bytes.size());
}

void PciConfig::Read(uint64_t offset, uint8_t* out, size_t size) const {
  for (size_t i = 0; i < size; ++i) {
    const bool inside = offset < kSize && i < kSize - offset;
    out[i] = inside ? value_[offset + i] : 0xff;
  }
}

void PciConfig::Write(uint64_t offset, const uint8_t* data, size_t size) {
  if (offset >= kSize) return;
  for (size_t i = 0; i < size && i < kSize - offset; ++i) {
    const uint8_t mask = kWritable[offset + i];
    uint8_t& byte = value_[offset + i];
    byte = static_cast<uint8_t>((byte & ~mask) | (data[i] & mask));
  }
}

}  // namespace pvsched
