// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_VFIO_USER_PROTOCOL_H_
#define PVSCHED_VMM_DEVICE_VFIO_USER_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

// The vfio-user protocol, version 0.1: the part that a server needs without
// migration and without DMA of its own. Values are from QEMU's
// docs/interop/vfio-user.rst. Fields have the host's byte order. A message is a
// header and a payload; its file descriptors come with the header.
namespace pvsched::vfio_user {

// Header.command.
inline constexpr uint16_t kVersion = 1;
inline constexpr uint16_t kDmaMap = 2;
inline constexpr uint16_t kDmaUnmap = 3;
inline constexpr uint16_t kDeviceGetInfo = 4;
inline constexpr uint16_t kRegionInfo = 5;
inline constexpr uint16_t kIrqInfo = 7;
inline constexpr uint16_t kSetIrqs = 8;
inline constexpr uint16_t kRegionRead = 9;
inline constexpr uint16_t kRegionWrite = 10;
inline constexpr uint16_t kReset = 13;

// Header.flags.
inline constexpr uint32_t kTypeMask = 0xf;
inline constexpr uint32_t kTypeCommand = 0;
inline constexpr uint32_t kTypeReply = 1;
inline constexpr uint32_t kNoReply = 0x10;
inline constexpr uint32_t kError = 0x20;

struct Header {
  uint16_t id;
  uint16_t command;
  uint32_t size;  // bytes, header included
  uint32_t flags;
  uint32_t error;  // an errno value, with kError
};
static_assert(sizeof(Header) == 16);

inline constexpr uint16_t kVersionMajor = 0;
inline constexpr uint16_t kVersionMinor = 1;

// May be followed by capabilities: a NUL-terminated JSON text.
struct Version {
  uint16_t major;
  uint16_t minor;
};
static_assert(sizeof(Version) == 4);

// DmaMap.flags.
inline constexpr uint32_t kDmaRead = 1;
inline constexpr uint32_t kDmaWrite = 2;

struct DmaMap {
  uint32_t argsz;
  uint32_t flags;
  uint64_t offset;
  uint64_t address;
  uint64_t size;
};
static_assert(sizeof(DmaMap) == 32);

// DmaUnmap.flags.
inline constexpr uint32_t kUnmapAll = 2;

struct DmaUnmap {
  uint32_t argsz;
  uint32_t flags;
  uint64_t address;
  uint64_t size;
};
static_assert(sizeof(DmaUnmap) == 24);

// DeviceInfo.flags.
inline constexpr uint32_t kDeviceReset = 1;
inline constexpr uint32_t kDevicePci = 2;

struct DeviceInfo {
  uint32_t argsz;
  uint32_t flags;
  uint32_t num_regions;
  uint32_t num_irqs;
};
static_assert(sizeof(DeviceInfo) == 16);

// Regions, with the indexes of VFIO_PCI_*_REGION_INDEX: six BARs, the ROM,
// configuration space, VGA.
inline constexpr uint32_t kBar0 = 0;
inline constexpr uint32_t kConfig = 7;
inline constexpr uint32_t kNumRegions = 9;
// Interrupt types, as VFIO_PCI_*_IRQ_INDEX: INTx, MSI, MSI-X, error, request.
inline constexpr uint32_t kNumIrqs = 5;

// RegionInfo.flags.
inline constexpr uint32_t kRegionReadable = 1;
inline constexpr uint32_t kRegionWritable = 2;

struct RegionInfo {
  uint32_t argsz;
  uint32_t flags;
  uint32_t index;
  uint32_t cap_offset;
  uint64_t size;
  uint64_t offset;
};
static_assert(sizeof(RegionInfo) == 32);

struct IrqInfo {
  uint32_t argsz;
  uint32_t flags;
  uint32_t index;
  uint32_t count;
};
static_assert(sizeof(IrqInfo) == 16);

// SetIrqs.flags: exactly one kind of data and one action.
inline constexpr uint32_t kIrqDataNone = 0x01;
inline constexpr uint32_t kIrqDataBool = 0x02;
inline constexpr uint32_t kIrqDataEventfd = 0x04;
inline constexpr uint32_t kIrqDataMask = 0x07;
inline constexpr uint32_t kIrqActionMask = 0x38;  // mask, unmask, trigger

// Followed by `count` bytes with kIrqDataBool.
struct SetIrqs {
  uint32_t argsz;
  uint32_t flags;
  uint32_t index;
  uint32_t start;
  uint32_t count;
};
static_assert(sizeof(SetIrqs) == 20);

// REGION_READ and REGION_WRITE, request and reply. The data follow in a write
// request and in a read reply.
struct RegionAccess {
  uint64_t offset;
  uint32_t region;
  uint32_t count;
};
static_assert(sizeof(RegionAccess) == 16);

// The server's limits. VERSION announces the first two to clients.
inline constexpr size_t kMaxMessageFds = 16;
inline constexpr uint32_t kMaxDataSize = 1 << 20;
inline constexpr uint32_t kMaxMessageSize = sizeof(Header) + sizeof(RegionAccess) + kMaxDataSize;

}  // namespace pvsched::vfio_user

#endif  // PVSCHED_VMM_DEVICE_VFIO_USER_PROTOCOL_H_
