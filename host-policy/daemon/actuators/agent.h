// SPDX-License-Identifier: Apache-2.0
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
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

// The `agent` actuator: its thread applies the programs' decisions by
// sched_setattr(2). It sleeps until one comes.
class AgentActuator : public Actuator {
 public:
  // Both must outlive the agent.
  AgentActuator(BpfObject& programs, BaselineStore& baselines);
  ~AgentActuator() override;

  const char* name() const override { return "agent"; }
  absl::Status Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) override;
  void Remove(uint32_t slot) override;
  Applied applied(uint32_t slot) override;
  Counts counts() override { return {.calls = calls_, .failures = failures_, .deferred = calls_}; }

 private:
  struct Target {
    pid_t process = 0;
    pid_t tid = 0;  // 0: none
    int pidfd = -1;
    uint64_t applied_grant = 0;  // the grant that was applied last
  };

  void RemoveAll() override;
  bool OnDecision(uint32_t slot) override;
  std::vector<pid_t> Boosted() override;
  // To what the programs want now.
  void Follow(uint32_t slot, Target& target);
  // Whether the thread has it then.
  bool Apply(uint32_t slot, const Target& target, uint64_t wanted);

  BaselineStore& baselines_;
  PiMutex mutex_;  // guards targets_ and their entries in baselines_
  std::vector<Target> targets_;
  std::atomic<uint64_t> calls_ = 0;
  std::atomic<uint64_t> failures_ = 0;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_AGENT_H_
