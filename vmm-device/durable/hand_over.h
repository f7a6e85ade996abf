// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DURABLE_HAND_OVER_H_
#define PVSCHED_VMM_DEVICE_DURABLE_HAND_OVER_H_

#include <cstdint>

#include "vmm-device/memory_map.h"

// What a device process and its supervisor agree on. The device sends these
// messages over a SOCK_SEQPACKET socket and waits for no reply: a sent message
// survives the process. The supervisor sends none.
namespace pvsched {

enum class HandOverType : uint32_t {
  kHold = 1,   // with one descriptor: keep it as `file`, in place of another one
  kDrop = 2,   // close `file`
  kReady = 3,  // the device has continued where the last one ended
};

// The descriptor that came with the request in progress. Smaller numbers are
// those of MemoryMap.
inline constexpr uint32_t kRequestFile = MemoryMap::kMaxFiles;
inline constexpr uint32_t kMaxHeldFiles = MemoryMap::kMaxFiles + 1;

struct HandOver {
  HandOverType type;
  uint32_t file;
};
static_assert(sizeof(HandOver) == 8);

// The exit status of a device whose session is over: there is nothing to
// continue. After any other end the supervisor starts the device again.
inline constexpr int kExitSessionOver = 3;

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DURABLE_HAND_OVER_H_
