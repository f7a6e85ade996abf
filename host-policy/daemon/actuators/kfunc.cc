// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/actuators/kfunc.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/pidfd.h"
#include "host-policy/kmod/pvsched_host.h"

namespace pvsched {

absl::StatusOr<UniqueFd> KfuncActuator::OpenDevice() {
  UniqueFd device(open("/dev/" PVSCHED_HOST_DEVICE, O_RDWR | O_CLOEXEC));
  if (!device && errno == ENOENT) {
    return absl::NotFoundError(
        "the kfunc actuator needs the module pvsched_host (host-policy/kmod): load it, or use "
        "--actuator agent");
  }
  if (!device && errno == EBUSY) {
    return absl::FailedPreconditionError("another process has /dev/" PVSCHED_HOST_DEVICE " open");
  }
  if (!device) return absl::ErrnoToStatus(errno, "cannot open /dev/" PVSCHED_HOST_DEVICE);
  uint32_t version = 0;
  if (ioctl(device.get(), PVSCHED_HOST_GET_VERSION, &version) != 0 ||
      version != PVSCHED_HOST_VERSION) {
    return absl::FailedPreconditionError(
        absl::StrCat("the module pvsched_host is of version ", version, ", this pvschedd needs ",
                     PVSCHED_HOST_VERSION, ": install both from one release"));
  }
  return device;
}

KfuncActuator::~KfuncActuator() {
  EndThread();
  KfuncActuator::RemoveAll();
}

void KfuncActuator::RemoveAll() {
  while (!tids_.empty()) Remove(tids_.begin()->first);
}

absl::Status KfuncActuator::Add(uint32_t slot, pid_t /*process*/, pid_t tid, int thread_pidfd) {
  const pvsched_host_target target = {.slot = slot, .tid = tid};
  if (ioctl(device_.get(), PVSCHED_HOST_ADD, &target) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("the module pvsched_host refuses thread ", tid));
  }
  // The thread of the pidfd has not ended: so the number was its own.
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
    PLOG(ERROR) << "the module pvsched_host does not let go of slot " << slot;
  }
}

Actuator::Applied KfuncActuator::applied(uint32_t slot) {
  pvsched_host_state state = {};
  state.slot = slot;
  if (ioctl(device_.get(), PVSCHED_HOST_READ, &state) != 0) return {};
  return {.own = state.baseline, .now = state.now};
}

Actuator::Counts KfuncActuator::counts() {
  pvsched_host_stats stats = {};
  if (ioctl(device_.get(), PVSCHED_HOST_STATS, &stats) != 0) return {};
  return {.calls = stats.calls, .failures = stats.failures, .deferred = stats.deferred};
}

bool KfuncActuator::OnDecision(uint32_t /*slot*/) {
  // Though its boost may be over by now: only the timer ends the watch, and
  // until then the programs say nothing more.
  return true;
}

std::vector<pid_t> KfuncActuator::Boosted() {
  std::lock_guard lock(mutex_);
  std::vector<pid_t> boosted;
  for (const auto& [slot, tid] : tids_) {
    const uint64_t wanted = __atomic_load_n(&bpf_.slot(slot).pending_grant, __ATOMIC_SEQ_CST);
    if (IsBoosted(wanted)) boosted.push_back(tid);
  }
  return boosted;
}

void KfuncActuator::OnTimerOff() {
  bpf_.SetWatched(false);
  // One that was boosted in between saw that it was watched, and said nothing.
  if (Boosted().empty()) return;
  bpf_.SetWatched(true);
  ArmTimer();
}

}  // namespace pvsched
