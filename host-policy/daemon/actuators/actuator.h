// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_ACTUATOR_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_ACTUATOR_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/status.h"
#include "host-policy/core/sched_params.h"

namespace pvsched {

// Applies the policy's grants to vCPU threads, and restores the threads'
// baselines.
//
// Thread-safety: all functions from one thread. An actuator may have a thread
// of its own beside it.
class Actuator {
 public:
  static constexpr int kDefaultPriority = PVS_ACTUATOR_RT_PRIO;  // SCHED_FIFO

  Actuator() = default;
  // Restores every thread that was not removed.
  virtual ~Actuator() = default;
  Actuator(const Actuator&) = delete;
  Actuator& operator=(const Actuator&) = delete;

  // As --actuator has it.
  virtual const char* name() const = 0;

  // `priority`: of the actuator's thread, if it has one.
  virtual absl::Status Start(int priority) = 0;

  // Saves the thread's current parameters as its baseline. From now on the
  // slot's grants apply to the thread. `process` is the thread's process.
  virtual absl::Status Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) = 0;
  // Restores the thread's baseline.
  virtual void Remove(uint32_t slot) = 0;

  struct Applied {
    pvs_sched_params baseline;
    pvs_sched_params current;
  };
  // The parameters of the slot's thread, as far as the actuator knows.
  virtual Applied applied(uint32_t slot) = 0;

  struct Counts {
    uint64_t calls = 0;     // changes of a thread's parameters
    uint64_t failures = 0;  // changes that the kernel refused
    uint64_t deferred = 0;  // grants that were applied after their event, not inside it
  };
  virtual Counts counts() = 0;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_ACTUATOR_H_
