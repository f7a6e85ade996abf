// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TOOLS_BOOT_TRACE_RECORDER_H_
#define PVSCHED_TOOLS_BOOT_TRACE_RECORDER_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/boot-trace/bpf/intf.h"

struct pvsched_boot_bpf;

namespace pvsched {

// What the BPF programs recorded of one run of a command.
struct BootRecord {
  // The VMM; if there are several, the one that ran a vCPU first.
  pid_t vmm = 0;
  pvs_boot_process times = {};
  int vmms = 0;
  // Whether a process lives that has not run a vCPU yet.
  bool has_living = false;

  struct Exit {
    pvs_boot_exit_kind kind;
    uint32_t reason;
    friend auto operator<=>(const Exit&, const Exit&) = default;
  };
  // Exits of all VMs of the command by bucket (PVS_BOOT_BUCKET_NS from the VMM's exec).
  std::map<Exit, std::map<uint16_t, uint64_t>> exits;
};

// Loads and attaches the BPF programs for as long as it lives. They trace the VMs of one
// command at a time. Not thread-safe.
class Recorder {
 public:
  // `port` and `value` are the mark's; the value may be PVS_BOOT_ANY_VALUE.
  static absl::StatusOr<std::unique_ptr<Recorder>> Load(uint16_t port, uint64_t value);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Clears the record and traces this process and its future descendants.
  absl::Status Follow(pid_t pid);
  // The record so far. Fails if a map was too small.
  absl::StatusOr<BootRecord> Read() const;

 private:
  Recorder() = default;
  pvsched_boot_bpf* skeleton_ = nullptr;
};

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_RECORDER_H_
