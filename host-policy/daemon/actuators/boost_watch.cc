// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/boost_watch.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {

absl::Status BoostWatch::Start(int priority) {
  stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
  if (!stop_) return ErrnoStatus(errno, "eventfd");
  timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return ErrnoStatus(errno, "timerfd");
  ring_ = bpf_.Decisions([this](const pvs_pending& pending) {
    if (delegate_.OnPendingGrant(pending.slot)) ArmTimer();
  });
  thread_ = std::thread([this] { Run(); });
  const sched_param parameters = {.sched_priority = priority};
  if (int error = pthread_setschedparam(thread_.native_handle(), SCHED_FIFO, &parameters);
      error != 0) {
    Stop();
    return ErrnoStatus(error,
                       absl::StrCat("cannot make the actuator's thread SCHED_FIFO ", priority));
  }
  return absl::OkStatus();
}

void BoostWatch::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof(one)) != sizeof(one)) PLOG(FATAL) << "eventfd";
  thread_.join();
}

void BoostWatch::Run() {
  pthread_setname_np(pthread_self(), "pvs-boost-watch");
  pollfd fds[] = {{.fd = ring_->WaitFd(), .events = POLLIN, .revents = 0},
                  {.fd = stop_.get(), .events = POLLIN, .revents = 0},
                  {.fd = timer_.get(), .events = POLLIN, .revents = 0}};
  while (true) {
    if (poll(fds, 3, -1) < 0 && errno != EINTR) PLOG(FATAL) << "poll";
    if (fds[1].revents != 0) return;
    ring_->Consume();
    if (fds[2].revents != 0) OnTimer();
  }
}

void BoostWatch::ArmTimer() {
  if (is_timer_armed_) return;
  const itimerspec after = {.it_interval = {},
                            .it_value = {.tv_sec = 0, .tv_nsec = kTimerMs * 1000000}};
  timerfd_settime(timer_.get(), 0, &after, nullptr);
  is_timer_armed_ = true;
}

void BoostWatch::OnTimer() {
  uint64_t expirations;
  if (read(timer_.get(), &expirations, sizeof(expirations)) < 0) return;
  is_timer_armed_ = false;
  const std::vector<pid_t> boosted = delegate_.BoostedThreads();
  for (pid_t tid : boosted) bpf_.RunTimer(tid);
  if (!boosted.empty() || delegate_.OnNoneBoosted()) ArmTimer();
}

}  // namespace pvsched
