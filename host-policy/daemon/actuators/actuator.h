// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_ACTUATOR_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_ACTUATOR_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "common/unique_fd.h"
#include "host-policy/core/sched_params.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

inline bool IsBoosted(uint64_t grant) {
  return (pvsched_word_flags(grant) & PVSCHED_GRANT_BOOSTED) != 0;
}

// Gives vCPU threads what the programs decide, and their own parameters back.
//
// Each actuator has a real-time thread that waits for the programs' word, and
// looks at the boosted vCPUs from time to time while there are any.
//
// Thread-safety: all functions from one thread, beside the actuator's own.
class Actuator {
 public:
  static constexpr int kDefaultPriority = PVS_ACTUATOR_RT_PRIO;  // SCHED_FIFO

  // While any vCPU is boosted, each boosted one is judged again this often,
  // though nothing happens to it: so a boost ends on a CPU without a tick, and
  // in a thread that neither sleeps nor enters its guest.
  static constexpr int kTimerMs = 50;

  virtual ~Actuator() = default;
  Actuator(const Actuator&) = delete;
  Actuator& operator=(const Actuator&) = delete;

  virtual const char* name() const = 0;

  absl::Status Start(int priority);
  // Ends the thread and gives every vCPU thread its own parameters back.
  void Stop();

  // Takes the thread's parameters as its own; decisions for the slot are applied
  // from now on. `process`: the thread's.
  virtual absl::Status Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) = 0;
  // The thread gets its own parameters back.
  virtual void Remove(uint32_t slot) = 0;

  struct Applied {
    pvs_sched_params own;
    pvs_sched_params now;
  };
  // What the slot's thread has, as far as the actuator knows.
  virtual Applied applied(uint32_t slot) = 0;

  struct Counts {
    uint64_t calls = 0;  // of sched_setattr
    uint64_t failures = 0;
    uint64_t deferred = 0;  // decisions that were not applied inside of their event
  };
  virtual Counts counts() = 0;

 protected:
  // Must outlive the actuator.
  explicit Actuator(BpfObject& programs) : bpf_(programs) {}

  // Of a derived class's destructor: ends the thread that calls what follows.
  void EndThread();

  virtual void RemoveAll() = 0;
  // In the actuator's thread: the programs have told of this slot; whether the
  // boosted vCPUs are to be looked at from now on.
  virtual bool OnDecision(uint32_t slot) = 0;
  // In the actuator's thread: the threads that are boosted.
  virtual std::vector<pid_t> Boosted() = 0;
  // In the actuator's thread: no thread is boosted, and the timer is off.
  virtual void OnTimerOff() {}
  void ArmTimer();

  BpfObject& bpf_;

 private:
  void Run();
  void OnTimer();

  std::unique_ptr<BpfObject::Ring> decisions_;
  UniqueFd stop_;
  UniqueFd timer_;
  bool is_timer_armed_ = false;  // the actuator's thread only
  std::thread thread_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_ACTUATOR_H_
