// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/kfunc.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/pidfd.h"
#include "host-policy/kmod/pvsched_host.h"

namespace pvsched {

absl::StatusOr<UniqueFd> KfuncActuator::OpenDevice() {
  UniqueFd device(open("/dev/" PVSCHED_HOST_DEVICE, O_RDWR | O_CLOEXEC));
  if (!device && errno == ENOENT) {
    return absl::NotFoundError(
        "the actuator kfunc needs the module pvsched_host (host-policy/kmod): load it, or use "
        "--actuator agent");
  }
  if (!device && errno == EBUSY) {
    return absl::FailedPreconditionError("another process has /dev/" PVSCHED_HOST_DEVICE " open");
  }
  if (!device) return ErrnoStatus(errno, "cannot open /dev/" PVSCHED_HOST_DEVICE);
  uint32_t version = 0;
  if (ioctl(device.get(), PVSCHED_HOST_GET_VERSION, &version) != 0 ||
      version != PVSCHED_HOST_VERSION) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the module pvsched_host has interface version ", version, ", this pvschedd needs version ",
        PVSCHED_HOST_VERSION, ": install both from one release"));
  }
  return device;
}

KfuncActuator::KfuncActuator(BpfObject& bpf, UniqueFd device)
    : bpf_(bpf), device_(std::move(device)), watch_(bpf, *this) {}

KfuncActuator::~KfuncActuator() {
  watch_.Stop();
  while (!tids_.empty()) KfuncActuator::Remove(tids_.begin()->first);
}

absl::Status KfuncActuator::Add(uint32_t slot, pid_t /*process*/, pid_t tid, int thread_pidfd) {
  const pvsched_host_target target = {.slot = slot, .tid = tid};
  if (ioctl(device_.get(), PVSCHED_HOST_ADD, &target) != 0) {
    return ErrnoStatus(errno, absl::StrCat("the module pvsched_host refuses thread ", tid));
  }
  // The module looked the tid up. If the pidfd's thread still lives, the tid
  // was its own then.
  if (HasEnded(thread_pidfd)) {
    ioctl(device_.get(), PVSCHED_HOST_REMOVE, static_cast<unsigned long>(slot));
    return absl::NotFoundError(absl::StrCat("thread ", tid, " has ended"));
  }
  std::lock_guard lock(mutex_);
  tids_[slot] = tid;
  return absl::OkStatus();
}

void KfuncActuator::Remove(uint32_t slot) {
  std::lock_guard lock(mutex_);
  if (tids_.erase(slot) == 0) return;
  if (ioctl(device_.get(), PVSCHED_HOST_REMOVE, static_cast<unsigned long>(slot)) != 0) {
    PLOG(ERROR) << "the module pvsched_host does not release slot " << slot;
  }
}

Actuator::Applied KfuncActuator::applied(uint32_t slot) {
  pvsched_host_state state = {};
  state.slot = slot;
  if (ioctl(device_.get(), PVSCHED_HOST_READ, &state) != 0) return {};
  return {.baseline = state.baseline, .current = state.now};
}

Actuator::Counts KfuncActuator::counts() {
  pvsched_host_stats stats = {};
  if (ioctl(device_.get(), PVSCHED_HOST_STATS, &stats) != 0) return {};
  return {.calls = stats.calls, .failures = stats.failures, .deferred = stats.deferred};
}

bool KfuncActuator::OnPendingGrant(uint32_t /*slot*/) {
  // The boost may be over by now. The timer is needed even so: it alone clears
  // `watched`, and until then the programs write nothing to the ring.
  return true;
}

std::vector<pid_t> KfuncActuator::BoostedThreads() {
  std::lock_guard lock(mutex_);
  std::vector<pid_t> boosted;
  for (const auto& [slot, tid] : tids_) {
    const uint64_t grant = __atomic_load_n(&bpf_.slot(slot).pending_grant, __ATOMIC_SEQ_CST);
    if (IsBoosted(grant)) boosted.push_back(tid);
  }
  return boosted;
}

bool KfuncActuator::OnNoneBoosted() {
  bpf_.SetWatched(false);
  // A vCPU that was boosted before SetWatched() saw `watched` set, and was not
  // reported. The program stores `pending_grant`, then loads `watched`; here
  // the order is reversed, both with full barriers. So one side sees the other.
  if (BoostedThreads().empty()) return false;
  bpf_.SetWatched(true);
  return true;
}

}  // namespace pvsched
