// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/actuators/scx.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/log/log.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "host-policy/loader/scx_support.h"

namespace pvsched {

absl::StatusOr<std::unique_ptr<ScxActuator>> ScxActuator::Create(BpfObject& programs) {
  UniqueFd ended(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ended) return absl::ErrnoToStatus(errno, "eventfd");
  return absl::WrapUnique(new ScxActuator(programs, std::move(ended)));
}

ScxActuator::~ScxActuator() {
  EndThread();
  ScxActuator::RemoveAll();
}

void ScxActuator::RemoveAll() { tids_.clear(); }

absl::Status ScxActuator::Add(uint32_t slot, pid_t /*process*/, pid_t tid, int /*thread_pidfd*/) {
  if (HasSmt() && HasCoreCookie(tid)) {
    return absl::FailedPreconditionError(
        absl::StrCat("thread ", tid,
                     " has a core-scheduling cookie, which under sched_ext can hang a host with "
                     "SMT: have its VMM set none, or use --actuator agent"));
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
  Applied applied = {.own = ToParams(*params), .now = {}};
  // What the scheduler treats it as.
  pvs_params_granted(&applied.own, bpf_.slot(slot).pending_grant, &applied.now);
  return applied;
}

void ScxActuator::TakeEnd() {
  uint64_t ends = 0;
  if (read(ended_.get(), &ends, sizeof(ends)) < 0) PLOG(ERROR) << "eventfd";
}

bool ScxActuator::OnDecision(uint32_t slot) {
  const uint64_t one = 1;
  if (slot == PVS_SCX_ENDED && write(ended_.get(), &one, sizeof(one)) < 0) {
    PLOG(ERROR) << "eventfd";
  }
  return false;
}

}  // namespace pvsched
