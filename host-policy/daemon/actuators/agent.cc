// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/agent.h"

#include <mutex>

#include "absl/log/log.h"
#include "common/errno_status.h"
#include "common/pidfd.h"
#include "host-policy/daemon/actuators/sched_params.h"

namespace pvsched {
AgentActuator::AgentActuator(BpfObject& bpf, BaselineStore& baselines)
    : bpf_(bpf), baselines_(baselines), targets_(PVS_MAX_VCPUS), watch_(bpf, *this) {}

AgentActuator::~AgentActuator() {
  watch_.Stop();
  for (uint32_t slot = 0; slot < targets_.size(); ++slot) AgentActuator::Remove(slot);
}

std::vector<pid_t> AgentActuator::BoostedThreads() {
  std::lock_guard lock(mutex_);
  std::vector<pid_t> boosted;
  for (uint32_t slot = 0; slot < targets_.size(); ++slot) {
    Target& target = targets_[slot];
    if (target.tid == 0) continue;
    // Retries a grant that could not be applied: a boost must end.
    ApplyPending(slot, target);
    if (IsBoosted(target.applied_grant)) boosted.push_back(target.tid);
  }
  return boosted;
}

absl::Status AgentActuator::Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) {
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(baselines_.Add(slot, tid));
  targets_[slot] = {.process = process, .tid = tid, .pidfd = thread_pidfd, .applied_grant = 0};
  return absl::OkStatus();
}

void AgentActuator::Remove(uint32_t slot) {
  std::lock_guard lock(mutex_);
  const Target& target = targets_[slot];
  if (target.tid == 0) return;
  baselines_.Restore(slot, [&] {
    const bool has_new_tid = __atomic_load_n(&bpf_.slot(slot).has_new_tid, __ATOMIC_SEQ_CST) != 0;
    return has_new_tid ? target.process : 0;
  });
  targets_[slot] = {};
}

Actuator::Applied AgentActuator::applied(uint32_t slot) {
  std::lock_guard lock(mutex_);
  const BaselineStore::Entry& entry = baselines_.entry(slot);
  return {.baseline = ToParams(entry.baseline),
          .current = ToParams(entry.is_applied != 0 ? entry.applied : entry.baseline)};
}

bool AgentActuator::OnPendingGrant(uint32_t slot) {
  if (slot >= targets_.size()) return false;
  std::lock_guard lock(mutex_);
  Target& target = targets_[slot];
  // The vCPU was removed meanwhile. Another vCPU may get the slot.
  if (target.tid == 0) return false;
  ApplyPending(slot, target);
  return IsBoosted(target.applied_grant);
}

void AgentActuator::ApplyPending(uint32_t slot, Target& target) {
  // The newest grant counts. It supersedes those whose ring entries wait.
  const uint64_t grant = __atomic_load_n(&bpf_.slot(slot).pending_grant, __ATOMIC_RELAXED);
  if (grant != target.applied_grant && Apply(slot, target, grant)) target.applied_grant = grant;
}

bool AgentActuator::Apply(uint32_t slot, const Target& target, uint64_t grant) {
  // sched_setattr() has a tid as argument. While the pidfd's thread lives, no
  // other thread can have its tid.
  if (HasEnded(target.pidfd)) return false;

  absl::StatusOr<sched_attr> current = GetSchedParams(target.tid);
  if (!current.ok()) return false;
  BaselineStore::Entry& entry = baselines_.entry(slot);
  const pvs_apply_plan plan = pvs_plan_apply(
      &entry.baseline, entry.is_applied != 0 ? &entry.applied : nullptr, &*current, grant);
  if (plan.is_new_baseline != 0) {
    entry.is_applied = 0;
    entry.baseline = *current;
  }
  if (plan.must_set == 0) return true;
  const BaselineStore::Entry before = entry;
  // Stored before the call: so a crash between the two leaves no boost behind.
  if (plan.is_granted != 0) {
    entry.previous = *current;
    entry.applied = plan.next;
    __atomic_store_n(&entry.is_applied, 1, __ATOMIC_RELEASE);
  }
  ++calls_;
  if (absl::Status status = SetSchedParams(target.tid, plan.next); !status.ok()) {
    ++failures_;
    LOG_EVERY_N_SEC(WARNING, 10) << status.message();
    entry.applied = before.applied;
    __atomic_store_n(&entry.is_applied, before.is_applied, __ATOMIC_RELEASE);
    entry.previous = before.previous;
    return false;
  }
  if (plan.is_granted == 0) __atomic_store_n(&entry.is_applied, 0, __ATOMIC_RELEASE);
  return true;
}

}  // namespace pvsched
