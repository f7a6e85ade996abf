// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_TOOLS_BOOT_TRACE_RECORDER_H_
#define PVSCHED_TOOLS_BOOT_TRACE_RECORDER_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/boot-trace/layout.h"

struct pvsched_boot_bpf;

namespace pvsched {

// What the programs saw of one run of a command.
struct BootRecord {
  // Of the VMM; of the one that ran a vCPU first, if there were several. Times are
  // CLOCK_MONOTONIC in ns, 0: it has not happened.
  pid_t vmm = 0;
  pvs_boot_process times = {};
  int vmms = 0;
  // Whether any process may yet become a VMM.
  bool has_living = false;

  struct Exit {
    pvs_boot_exit_kind kind;
    uint32_t reason;
    friend auto operator<=>(const Exit&, const Exit&) = default;
  };
  // Of all VMs of the command, by bucket of PVS_BOOT_BUCKET_NS from the VMM's exec.
  std::map<Exit, std::map<uint16_t, uint64_t>> exits;
};

// The BPF programs that watch the VMs of one command at a time: loaded and attached
// while this lives. For one thread.
class Recorder {
 public:
  // `value`: what the guest writes to `port`, or PVS_BOOT_ANY_VALUE.
  static absl::StatusOr<std::unique_ptr<Recorder>> Load(uint16_t port, uint64_t value);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Follows this process and all that it starts from now on; forgets what was before.
  absl::Status Follow(pid_t pid);
  // What there is so far.
  absl::StatusOr<BootRecord> Read() const;

 private:
  Recorder() = default;
  pvsched_boot_bpf* skeleton_ = nullptr;
};

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_RECORDER_H_
