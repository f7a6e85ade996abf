// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_AGENT_H_
#define PVSCHED_HOST_POLICY_DAEMON_AGENT_H_

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "host-policy/daemon/baseline_store.h"
#include "host-policy/daemon/pi_mutex.h"
#include "host-policy/loader/programs.h"
#include "vmm-device/unique_fd.h"

namespace pvsched {

// The `agent` actuator: a real-time thread that applies the programs'
// decisions by sched_setattr(2). It sleeps until one comes.
//
// Thread-safety: all functions from one thread, beside the agent's own.
class Agent {
 public:
  // FIFO 49: above every boost the default caps allow, below the host's
  // threaded interrupts (FIFO 50).
  static constexpr int kDefaultPriority = 49;

  // While any vCPU is boosted, each boosted one is judged again this often,
  // though nothing happens to it: so a boost ends on a CPU without a tick, and
  // in a thread that neither sleeps nor enters its guest.
  static constexpr int kTimerMs = 50;

  // Both must outlive the agent.
  Agent(Programs& programs, BaselineStore& baselines);
  ~Agent();

  absl::Status Start(int priority);
  // Ends the thread and gives every vCPU thread its baseline back.
  void Stop();

  // Takes the thread's parameters as its baseline; decisions for the slot are
  // applied from now on.
  absl::Status Add(uint32_t slot, pid_t tid, int thread_pidfd);
  // The thread gets its baseline back.
  void Remove(uint32_t slot);

  struct Applied {
    sched_attr baseline;
    sched_attr now;
    bool is_boosted;
  };
  // What the slot's thread has, as far as the agent knows.
  Applied applied(uint32_t slot);

  // sched_setattr(2) calls made, and those that failed.
  uint64_t calls() const { return calls_; }
  uint64_t failures() const { return failures_; }

 private:
  struct Target {
    pid_t tid = 0;  // 0: none
    int pidfd = -1;
    uint64_t wanted = 0;  // the grant that was applied last
  };

  void Run();
  void Apply(uint32_t slot);
  void OnTimer();
  void ArmTimer();

  Programs& programs_;
  BaselineStore& baselines_;
  PiMutex mutex_;  // guards targets_ and their entries in baselines_
  std::vector<Target> targets_;
  std::unique_ptr<Programs::Ring> decisions_;
  UniqueFd stop_;
  UniqueFd timer_;
  bool is_timer_armed_ = false;  // the agent's thread only
  std::thread thread_;
  std::atomic<uint64_t> calls_ = 0;
  std::atomic<uint64_t> failures_ = 0;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_AGENT_H_
