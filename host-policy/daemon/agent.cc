// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/agent.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "host-policy/daemon/sched_params.h"

namespace pvsched {
namespace {

bool IsFair(const sched_attr& params) {
  return params.sched_policy == PVSCHED_POLICY_NORMAL ||
         params.sched_policy == PVSCHED_POLICY_BATCH;
}

// The thread's parameters under a grant. A boost never lowers: a baseline above
// it stays. Neither does a lowering raise, nor touch a thread that an admin has
// given a real-time policy.
sched_attr Granted(const sched_attr& baseline, uint64_t grant) {
  const uint32_t flags = pvsched_word_flags(grant);
  const uint32_t policy = pvsched_word_policy(grant);
  const int32_t nice = pvsched_word_nice(grant);
  sched_attr params;
  memset(&params, 0, sizeof(params));
  params.size = sizeof(params);
  params.sched_policy = policy;
  if ((flags & PVSCHED_GRANT_LOWERED) != 0) {
    if (!IsFair(baseline)) return baseline;
    params.sched_flags = baseline.sched_flags;
    params.sched_nice = std::max(baseline.sched_nice, nice);
    return params;
  }
  if ((flags & PVSCHED_GRANT_BOOSTED) == 0) return baseline;
  // A VMM's vCPU thread must not hand its boost on to threads it starts.
  params.sched_flags = SCHED_FLAG_RESET_ON_FORK;
  if (nice < 0) {
    if (!IsFair(baseline) || baseline.sched_nice <= nice) return baseline;
    params.sched_nice = nice;
    return params;
  }
  if (baseline.sched_policy == PVSCHED_POLICY_DEADLINE) return baseline;
  // An ordinary thread's sched_priority is 0.
  params.sched_priority = pvsched_word_rt_prio(grant);
  return baseline.sched_priority >= params.sched_priority ? baseline : params;
}

bool HasEnded(int thread_pidfd) {
  pollfd poll_fd = {.fd = thread_pidfd, .events = POLLIN, .revents = 0};
  return poll(&poll_fd, 1, 0) != 0;
}

}  // namespace

Agent::Agent(Programs& programs, BaselineStore& baselines)
    : programs_(programs), baselines_(baselines), targets_(PVS_MAX_VCPUS) {}

Agent::~Agent() { Stop(); }

absl::Status Agent::Start(int priority) {
  stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  if (!stop_) return absl::ErrnoToStatus(errno, "eventfd");
  timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return absl::ErrnoToStatus(errno, "timerfd");
  decisions_ = programs_.Decisions([this](const pvs_decision& decision) { Apply(decision.slot); });
  thread_ = std::thread([this] { Run(); });
  const sched_param parameters = {.sched_priority = priority};
  if (int error = pthread_setschedparam(thread_.native_handle(), SCHED_FIFO, &parameters);
      error != 0) {
    Stop();
    return absl::ErrnoToStatus(
        error, absl::StrCat("cannot make the agent's thread SCHED_FIFO ", priority));
  }
  return absl::OkStatus();
}

void Agent::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    if (write(stop_.get(), &one, sizeof(one)) != sizeof(one)) PLOG(FATAL) << "eventfd";
    thread_.join();
  }
  for (uint32_t slot = 0; slot < targets_.size(); ++slot) Remove(slot);
}

void Agent::Run() {
  pthread_setname_np(pthread_self(), "pvs-agent");
  pollfd fds[] = {{.fd = decisions_->WaitFd(), .events = POLLIN, .revents = 0},
                  {.fd = stop_.get(), .events = POLLIN, .revents = 0},
                  {.fd = timer_.get(), .events = POLLIN, .revents = 0}};
  while (true) {
    if (poll(fds, 3, -1) < 0 && errno != EINTR) PLOG(FATAL) << "poll";
    if (fds[1].revents != 0) return;
    decisions_->Consume();
    if (fds[2].revents != 0) OnTimer();
  }
}

void Agent::ArmTimer() {
  if (is_timer_armed_) return;
  const itimerspec after = {.it_interval = {},
                            .it_value = {.tv_sec = 0, .tv_nsec = kTimerMs * 1000000}};
  timerfd_settime(timer_.get(), 0, &after, nullptr);
  is_timer_armed_ = true;
}

void Agent::OnTimer() {
  uint64_t expirations;
  if (read(timer_.get(), &expirations, sizeof(expirations)) < 0) return;
  is_timer_armed_ = false;
  std::vector<pid_t> boosted;
  {
    std::lock_guard lock(mutex_);
    for (const Target& target : targets_) {
      if (target.tid != 0 && (pvsched_word_flags(target.wanted) & PVSCHED_GRANT_BOOSTED) != 0) {
        boosted.push_back(target.tid);
      }
    }
  }
  for (pid_t tid : boosted) programs_.RunTimer(tid);
  if (!boosted.empty()) ArmTimer();
}

absl::Status Agent::Add(uint32_t slot, pid_t tid, int thread_pidfd) {
  std::lock_guard lock(mutex_);
  if (absl::Status status = baselines_.Add(slot, tid); !status.ok()) return status;
  targets_[slot] = {.tid = tid, .pidfd = thread_pidfd, .wanted = 0};
  return absl::OkStatus();
}

void Agent::Remove(uint32_t slot) {
  std::lock_guard lock(mutex_);
  if (targets_[slot].tid == 0) return;
  baselines_.Restore(slot);
  targets_[slot] = {};
}

Agent::Applied Agent::applied(uint32_t slot) {
  std::lock_guard lock(mutex_);
  const BaselineStore::Entry& entry = baselines_.entry(slot);
  const bool is_applied = entry.is_applied != 0;
  return {.baseline = entry.baseline,
          .now = is_applied ? entry.applied : entry.baseline,
          .is_boosted = is_applied};
}

void Agent::Apply(uint32_t slot) {
  if (slot >= targets_.size()) return;
  std::lock_guard lock(mutex_);
  Target& target = targets_[slot];
  // A decision of a vCPU that is gone: the slot may be another's soon.
  if (target.tid == 0) return;
  // The newest decision counts; what came in between is settled by it.
  const uint64_t wanted = __atomic_load_n(&programs_.slot(slot).wanted, __ATOMIC_RELAXED);
  if (wanted == target.wanted) return;
  // sched_setattr() takes a number: be sure that it still is this thread's.
  if (HasEnded(target.pidfd)) return;

  absl::StatusOr<sched_attr> current = GetSchedParams(target.tid);
  if (!current.ok()) return;
  BaselineStore::Entry& entry = baselines_.entry(slot);
  // Neither ours nor the old baseline: an admin has set it since. That is the
  // baseline from now on.
  const sched_attr& expected = entry.is_applied != 0 ? entry.applied : entry.baseline;
  if (!SameSchedParams(*current, expected)) {
    entry.is_applied = 0;
    entry.baseline = *current;
  }

  if ((pvsched_word_flags(wanted) & PVSCHED_GRANT_BOOSTED) != 0) ArmTimer();
  const sched_attr next = Granted(entry.baseline, wanted);
  const bool is_changed = !SameSchedParams(next, entry.baseline);
  target.wanted = wanted;
  if (SameSchedParams(next, *current)) return;
  // Noted before it is done, so that a crash in between is mended too.
  if (is_changed) {
    entry.previous = *current;
    entry.applied = next;
    __atomic_store_n(&entry.is_applied, 1, __ATOMIC_RELEASE);
  }
  ++calls_;
  if (absl::Status status = SetSchedParams(target.tid, next); !status.ok()) {
    ++failures_;
    LOG_EVERY_N_SEC(WARNING, 10) << status.message();
    return;
  }
  if (!is_changed) __atomic_store_n(&entry.is_applied, 0, __ATOMIC_RELEASE);
}

}  // namespace pvsched
