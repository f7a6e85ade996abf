// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_PCI_CONFIG_H_
#define PVSCHED_VMM_DEVICE_PCI_CONFIG_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace pvsched {

// The device's PCI configuration space: a type 0 header with one 32-bit memory
// BAR, without capabilities and interrupts. The identity is PVSCHED_PCI_* of
// pvsched_abi.h. Not thread-safe.
class PciConfig {
 public:
  // Conventional PCI's configuration space, in bytes. Without a PCI Express
  // capability there is no extended one.
  static constexpr size_t kSize = 256;

  PciConfig();

  // Copies [offset, offset + size) to `out`. Bytes beyond kSize read as 0xff,
  // as on a bus where no device responds.
  void Read(uint64_t offset, uint8_t* out, size_t size) const;

  // Stores the writable bits of [offset, offset + size). Read-only bits and
  // bytes beyond kSize do not change. A BAR to which ones were written reads
  // back its size.
  void Write(uint64_t offset, const uint8_t* data, size_t size);

  // Returns to the power-on state.
  void Reset();

  // The whole space, and the same space again in another process. Restore()
  // takes the writable bits only, so any bytes are safe.
  using Bytes = std::array<uint8_t, kSize>;
  const Bytes& bytes() const { return value_; }
  void Restore(const Bytes& bytes);

 private:
  std::array<uint8_t, kSize> value_;
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_PCI_CONFIG_H_
