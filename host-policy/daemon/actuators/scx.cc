// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/scx.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "host-policy/loader/scx_support.h"

namespace pvsched {

ScxActuator::ScxActuator(BpfObject& bpf)
    : bpf_(bpf), ring_(bpf.Decisions([this](const pvs_pending& pending) {
        has_end_notice_ |= pending.slot == PVS_SCX_ENDED;
      })) {}

absl::Status ScxActuator::Add(uint32_t slot, pid_t /*process*/, pid_t tid, int /*thread_pidfd*/) {
  if (HasSmt() && HasCoreCookie(tid)) {
    return absl::FailedPreconditionError(
        absl::StrCat("thread ", tid,
                     " has a core-scheduling cookie, which under sched_ext can hang a host with "
                     "SMT: configure its VMM to set none, or use --actuator agent"));
  }
  tids_[slot] = tid;
  return absl::OkStatus();
}

void ScxActuator::Remove(uint32_t slot) { tids_.erase(slot); }

Actuator::Applied ScxActuator::applied(uint32_t slot) {
  const auto tid = tids_.find(slot);
  if (tid == tids_.end()) return {};
  const absl::StatusOr<sched_attr> params = GetSchedParams(tid->second);
  if (!params.ok()) return {};
  Applied applied = {.baseline = ToParams(*params), .current = {}};
  // The parameters that the scheduler treats the thread by.
  pvs_params_granted(&applied.baseline, bpf_.slot(slot).pending_grant, &applied.current);
  return applied;
}

bool ScxActuator::ConsumeEnd() {
  ring_->Consume();
  return std::exchange(has_end_notice_, false) && bpf_.has_scx_ended();
}

}  // namespace pvsched
