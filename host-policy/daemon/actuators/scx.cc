// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/scx.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "host-policy/loader/scx_support.h"

namespace pvsched {

ScxActuator::ScxActuator(BpfObject& bpf)
    : bpf_(bpf),
      ring_(bpf.Decisions([this](const pvs_pending& pending) { OnNotice(pending.slot); })) {}

absl::Status ScxActuator::Start(int /*priority*/) {
  bw_timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  return bw_timer_ ? absl::OkStatus() : ErrnoStatus(errno, "timerfd_create");
}

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

void ScxActuator::OnNotice(uint32_t notice) {
  has_end_notice_ |= notice == PVS_SCX_ENDED;
  if (notice != PVS_SCX_BW_TIMER) return;
  constexpr uint64_t kNsPerSecond = 1'000'000'000;
  const uint64_t at = bpf_.BwTimerAt();
  const itimerspec when = {.it_interval = {},
                           .it_value = {.tv_sec = static_cast<time_t>(at / kNsPerSecond),
                                        .tv_nsec = static_cast<long>(at % kNsPerSecond)}};
  timerfd_settime(bw_timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void ScxActuator::OnBwTimer() {
  uint64_t expirations;
  if (read(bw_timer_.get(), &expirations, sizeof(expirations)) > 0) bpf_.RunBwTimer();
}

bool ScxActuator::ConsumeEnd() {
  ring_->Consume();
  return std::exchange(has_end_notice_, false) && bpf_.has_scx_ended();
}

}  // namespace pvsched
