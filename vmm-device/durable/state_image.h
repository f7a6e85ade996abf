// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DURABLE_STATE_IMAGE_H_
#define PVSCHED_VMM_DEVICE_DURABLE_STATE_IMAGE_H_

#include <cstddef>
#include <cstdint>

#include "vmm-device/memory_map.h"
#include "vmm-device/pci_config.h"
#include "vmm-device/vfio_user/protocol.h"

// The memfd from which a new device process continues where the last one ended,
// at whatever instruction that was. The supervisor holds it and never reads it.
// A guest may have compromised the writer: a reader copies, then checks.
//
// The guest's state stands twice. A commit writes the copy that is not active,
// then one 64-bit store, StateImage::progress, makes it active and says which
// request it belongs to.
namespace pvsched {

// As many as --max-vcpus may be for a supervised device.
inline constexpr uint32_t kMaxSavedRecords = 4096;
inline constexpr uint32_t kNoRegion = UINT32_MAX;

struct SavedRecord {
  uint64_t gpa;
  uint64_t nonce;
  uint32_t vcpu_id;
  uint32_t reserved;
};

// The guest's state except for its memory regions.
struct SavedState {
  uint64_t driver_features;
  uint64_t nonce;
  uint32_t driver_version;
  uint32_t status;
  uint32_t vcpu_select;
  uint32_t result;
  uint32_t is_negotiated;
  uint32_t num_records;
  // StateImage::regions has valid entries below this index only.
  uint32_t num_regions;
  // The region that the request added or removed. The entry may not say so yet.
  uint32_t changed_region;  // kNoRegion: none
  uint32_t is_region_added;
  // The reply to the request, in StateImage::reply; 0: none.
  uint32_t reply_size;
  uint8_t config[PciConfig::kSize];
  SavedRecord records[kMaxSavedRecords];
};

struct SavedRegion {
  uint64_t gpa;
  uint64_t size;
  uint64_t offset;
  uint32_t file;
  uint8_t can_read;
  uint8_t can_write;
  uint8_t is_valid;
  uint8_t reserved;
};
static_assert(sizeof(SavedRegion) == 32);

enum class Phase : uint32_t {
  kReceive = 0,  // a request is received, or handled once it is complete
  kWrite = 1,    // a piece of the reply is written to the pipe
  kSplice = 2,   // the piece moves from the pipe to the client
};

// StateImage::progress, unpacked.
struct Progress {
  uint32_t active = 0;  // index into StateImage::states
  Phase phase = Phase::kReceive;
  // kReceive: bytes of the request in StateImage::request. Else: bytes of the
  // reply that went to the client before the present piece.
  uint32_t position = 0;
  // Bytes before `position` that may still be in the socket: they were peeked at.
  uint32_t peeked = 0;
  uint32_t num_fds = 0;  // that came with the request

  uint64_t Pack() const {
    return active | static_cast<uint64_t>(phase) << 1 | static_cast<uint64_t>(position) << 3 |
           static_cast<uint64_t>(peeked) << 28 | static_cast<uint64_t>(num_fds) << 53;
  }
  static Progress Unpack(uint64_t packed) {
    return {.active = static_cast<uint32_t>(packed & 1),
            .phase = static_cast<Phase>(packed >> 1 & 3),
            .position = static_cast<uint32_t>(packed >> 3 & 0x1ffffff),
            .peeked = static_cast<uint32_t>(packed >> 28 & 0x1ffffff),
            .num_fds = static_cast<uint32_t>(packed >> 53 & 0x1f)};
  }
};
static_assert(vfio_user::kMaxMessageSize <= 0x1ffffff && vfio_user::kMaxMessageFds <= 0x1f);

struct StateImage {
  static constexpr uint32_t kMagic = 0x53435650;  // "PVCS" in memory order
  static constexpr uint32_t kVersion = 1;

  uint32_t magic;  // 0: no process has started yet
  uint32_t version;
  uint64_t progress;
  uint32_t attempts;  // to handle the present request again
  uint32_t reserved;
  alignas(4096) SavedState states[2];
  alignas(4096) SavedRegion regions[MemoryMap::kMaxRegions];
  alignas(4096) uint8_t request[vfio_user::kMaxMessageSize];
  alignas(4096) uint8_t reply[vfio_user::kMaxMessageSize];
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DURABLE_STATE_IMAGE_H_
