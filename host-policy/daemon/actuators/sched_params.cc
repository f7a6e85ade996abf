// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/sched_params.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "pvsched_abi.h"

namespace pvsched {

namespace {

bool IsFair(uint32_t policy) {
  return policy == PVSCHED_POLICY_NORMAL || policy == PVSCHED_POLICY_BATCH ||
         policy == PVSCHED_POLICY_IDLE;
}

// The kernel reports a fair thread's slice, but not whether the thread has set
// it. pvschedd's own slice is the default.
uint64_t DefaultSlice() {
  static const uint64_t slice = [] {
    sched_attr params;
    memset(&params, 0, sizeof(params));
    const bool ok = sched_getattr(getpid(), &params, sizeof(params), 0) == 0;
    return ok && IsFair(params.sched_policy) ? params.sched_runtime : 0;
  }();
  return slice;
}

}  // namespace

absl::StatusOr<sched_attr> GetSchedParams(pid_t tid) {
  sched_attr params;
  memset(&params, 0, sizeof(params));
  if (sched_getattr(tid, &params, sizeof(params), 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("sched_getattr of thread ", tid));
  }
  // Restored later, the default slice would become a slice that the thread set.
  if (IsFair(params.sched_policy) && params.sched_runtime == DefaultSlice()) {
    params.sched_runtime = 0;
  }
  return params;
}

absl::Status SetSchedParams(pid_t tid, const sched_attr& params) {
  sched_attr copy = params;
  if (sched_setattr(tid, &copy, 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("sched_setattr of thread ", tid));
  }
  return absl::OkStatus();
}

bool SameSchedParams(const sched_attr& a, const sched_attr& b) {
  return pvs_attr_equal(&a, &b) != 0;
}

bool IsOfBoost(const sched_attr& baseline, const sched_attr& applied, const sched_attr& current) {
  return pvs_attr_of_boost(&baseline, &applied, &current) != 0;
}

pvs_sched_params ToParams(const sched_attr& params) { return pvs_attr_params(&params); }

std::string PolicyName(uint32_t policy) {
  switch (policy) {
    case PVSCHED_POLICY_NORMAL:
      return "normal";
    case PVSCHED_POLICY_FIFO:
      return "fifo";
    case PVSCHED_POLICY_RR:
      return "rr";
    case PVSCHED_POLICY_BATCH:
      return "batch";
    case PVSCHED_POLICY_IDLE:
      return "idle";
    case PVSCHED_POLICY_DEADLINE:
      return "deadline";
    case PVSCHED_POLICY_EXT:
      return "ext";
    default:
      return absl::StrCat(policy);
  }
}

}  // namespace pvsched
