// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_MINI_VM_H_
#define PVSCHED_TESTS_NATIVE_MINI_VM_H_

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "pvsched_abi.h"

namespace pvsched {

// A virtual machine of a few instructions on the real /dev/kvm. Each vCPU loops:
// it copies its mailbox to the intent of its record, then executes OUT. So the
// guest itself writes the record, and each loop is an exit. The RAM is a memfd,
// which a VMM would share with pvsched-device.
class MiniVm {
 public:
  static absl::StatusOr<std::unique_ptr<MiniVm>> Create(int vcpus);
  // With other instructions, for real mode.
  static absl::StatusOr<std::unique_ptr<MiniVm>> CreateWith(int vcpus,
                                                            absl::Span<const uint8_t> program);
  ~MiniVm();

  // Starts and stops the vCPU threads.
  void Run();
  void Stop();

  // Puts a priority word into the mailbox; its low 32 bits.
  void SetIntent(int vcpu, uint64_t word);
  pvsched_record& record(int vcpu);
  static uint64_t record_offset(int vcpu);

  // The vCPU's preempt count in guest memory.
  uint32_t& preempt_count(int vcpu);
  static uint64_t preempt_count_offset(int vcpu);

  int memory() const { return memory_.get(); }
  pid_t tid(int vcpu) const { return vcpus_[static_cast<size_t>(vcpu)]->tid; }
  uint64_t exits(int vcpu) const { return vcpus_[static_cast<size_t>(vcpu)]->exits; }

  // Called in the vCPU's thread after each exit, before the guest resumes. Set it
  // before Run().
  void SetOnExit(std::function<void(int vcpu)> on_exit) { on_exit_ = std::move(on_exit); }

  // The pause between two exits; 0: no pause.
  void SetPause(std::chrono::microseconds pause) { pause_us_ = pause.count(); }

 private:
  struct VcpuThread {
    int index = 0;
    UniqueFd fd;
    void* run = nullptr;
    std::thread thread;
    std::atomic<pid_t> tid = 0;
    std::atomic<uint64_t> exits = 0;
  };

  MiniVm() = default;
  void RunVcpu(VcpuThread& vcpu);

  UniqueFd memory_;
  UniqueFd kvm_;
  UniqueFd vm_;
  uint8_t* ram_ = nullptr;
  size_t run_size_ = 0;
  std::vector<std::unique_ptr<VcpuThread>> vcpus_;
  std::function<void(int)> on_exit_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int64_t> pause_us_ = 200;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_MINI_VM_H_
