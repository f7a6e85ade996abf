// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/service_watchdog.h"

#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

#include "absl/log/log.h"
#include "common/errno_status.h"

namespace pvsched {

absl::StatusOr<UniqueFd> FeedServiceWatchdog(EventLoop& loop) {
  uint64_t limit_us = 0;
  const int enabled = sd_watchdog_enabled(0, &limit_us);
  LOG_IF(WARNING, enabled < 0) << "the watchdog of systemd is ignored: "
                               << ErrnoStatus(-enabled, "WATCHDOG_USEC").message();
  if (enabled <= 0) return UniqueFd();
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer) return ErrnoStatus(errno, "timerfd_create");
  const uint64_t period_us = limit_us / 2;
  const timespec period = {.tv_sec = static_cast<time_t>(period_us / 1000000),
                           .tv_nsec = static_cast<long>(period_us % 1000000 * 1000)};
  const itimerspec times = {.it_interval = period, .it_value = period};
  if (timerfd_settime(timer.get(), 0, &times, nullptr) != 0) {
    return ErrnoStatus(errno, "timerfd_settime");
  }
  RETURN_IF_ERROR(loop.Add(timer.get(), [fd = timer.get()] {
    uint64_t expirations;
    if (read(fd, &expirations, sizeof(expirations)) > 0) sd_notify(0, "WATCHDOG=1");
  }));
  return timer;
}

}  // namespace pvsched
