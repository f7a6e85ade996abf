// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_PCI_CONFIG_H_
#define PVSCHED_VMM_DEVICE_PCI_CONFIG_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace pvsched {

// The device's PCI configuration space: a type 0 header with one 32-bit memory
// BAR, no capabilities, no interrupt. Not thread-safe.
class PciConfig {
 public:
  static constexpr size_t kSize = 256;

  PciConfig();

  // Copies [offset, offset + size); what is beyond the end reads as ones, as a
  // bus without an answer does.
  void Read(uint64_t offset, uint8_t* out, size_t size) const;

  // Stores the bits that are writable; the rest, and what is beyond the end,
  // stays as it is. A BAR written with ones reads back its size.
  void Write(uint64_t offset, const uint8_t* data, size_t size);

  // As after power-on.
  void Reset();

 private:
  std::array<uint8_t, kSize> value_;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_PCI_CONFIG_H_
