// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_AGENT_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_AGENT_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "common/pi_mutex.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/actuators/baseline_store.h"
#include "host-policy/daemon/actuators/boost_watch.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

// The actuator `agent`: the thread of its BoostWatch applies grants by
// sched_setattr(2).
class AgentActuator : public Actuator, private BoostWatch::Delegate {
 public:
  // Both must outlive the actuator.
  AgentActuator(BpfObject& bpf, BaselineStore& baselines);
  ~AgentActuator() override;

  const char* name() const override { return "agent"; }
  absl::Status Start(int priority) override { return watch_.Start(priority); }
  absl::Status Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) override;
  void Remove(uint32_t slot) override;
  Applied applied(uint32_t slot) override;
  Counts counts() override { return {.calls = calls_, .failures = failures_, .deferred = calls_}; }

 private:
  struct Target {
    pid_t process = 0;
    pid_t tid = 0;  // 0: none
    int pidfd = -1;
    uint64_t applied_grant = 0;
  };

  bool OnPendingGrant(uint32_t slot) override;
  std::vector<pid_t> BoostedThreads() override;
  // Applies the slot's pending grant, if it is not in force.
  void ApplyPending(uint32_t slot, Target& target);
  // Returns whether the grant is in force.
  bool Apply(uint32_t slot, const Target& target, uint64_t grant);

  BpfObject& bpf_;
  BaselineStore& baselines_;
  PiMutex mutex_;  // guards targets_ and their entries in baselines_
  std::vector<Target> targets_;
  std::atomic<uint64_t> calls_ = 0;
  std::atomic<uint64_t> failures_ = 0;
  BoostWatch watch_;  // last: its thread uses the members above
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_AGENT_H_
