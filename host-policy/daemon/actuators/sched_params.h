// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCHED_PARAMS_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCHED_PARAMS_H_

#include <sched.h>
#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "host-policy/core/sched_params.h"

namespace pvsched {

// A thread's scheduling parameters. The error names the thread.
absl::StatusOr<sched_attr> GetSchedParams(pid_t tid);
absl::Status SetSchedParams(pid_t tid, const sched_attr& params);

// Whether two sets of parameters mean the same to the scheduler.
bool SameSchedParams(const sched_attr& a, const sched_attr& b);

// Whether `current` is what pvsched applied, or a remainder of it:
// pvs_attr_of_boost().
bool IsOfBoost(const sched_attr& baseline, const sched_attr& applied, const sched_attr& current);

// The parameters that pvsched sets.
pvs_sched_params ToParams(const sched_attr& params);

// "normal", "fifo", "rr", "batch", "idle", "deadline" or "ext"; the value of an
// unknown policy.
std::string PolicyName(uint32_t policy);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCHED_PARAMS_H_
