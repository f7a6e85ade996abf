// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_SERVICE_WATCHDOG_H_
#define PVSCHED_HOST_POLICY_DAEMON_SERVICE_WATCHDOG_H_

#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace pvsched {

// Reports to systemd that `loop` runs, twice in each WatchdogSec= of the unit. If the
// reports end, since pvschedd is stopped, frozen or blocked, systemd kills it, and
// `pvschedd --restore` ends the boosts that it left.
//
// Returns the timer, which the caller keeps as long as the loop runs: no descriptor if the
// unit has no WatchdogSec=.
absl::StatusOr<UniqueFd> FeedServiceWatchdog(EventLoop& loop);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_SERVICE_WATCHDOG_H_
