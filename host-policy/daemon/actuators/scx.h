// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCX_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCX_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

// The actuator `scx`: the BPF programs are the host's scheduler. They follow
// grants as they schedule, and change no thread's parameters. So there is no
// baseline to restore, and no thread is needed.
// A program that cannot start a timer of the kernel has this class run its timer.
//
// The BpfObject must have been loaded with ActuatorKind::kScx.
class ScxActuator : public Actuator {
 public:
  explicit ScxActuator(BpfObject& bpf);

  const char* name() const override { return "scx"; }
  absl::Status Start(int priority) override;
  absl::Status Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) override;
  void Remove(uint32_t slot) override;
  Applied applied(uint32_t slot) override;
  Counts counts() override { return {}; }

  // Readable when a scheduler of this BpfObject has ended. The owner then calls
  // ConsumeEnd(), which returns whether the kernel ejected the scheduler. A
  // scheduler also ends when another policy's scheduler takes its place.
  int EndFd() const { return ring_->WaitFd(); }
  bool ConsumeEnd();

  // On a host without bpf_timer: readable when a throttled task may run. The owner then calls
  // OnBwTimer().
  int BwTimerFd() const { return bw_timer_.get(); }
  void OnBwTimer();

 private:
  void OnNotice(uint32_t notice);

  BpfObject& bpf_;
  bool has_end_notice_ = false;
  UniqueFd bw_timer_;
  std::unique_ptr<BpfObject::Ring> ring_;
  std::map<uint32_t, pid_t> tids_;  // by slot
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCX_H_
