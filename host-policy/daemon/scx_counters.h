// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_SCX_COUNTERS_H_
#define PVSCHED_HOST_POLICY_DAEMON_SCX_COUNTERS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "host-policy/bpf/scx/intf.h"

namespace pvsched {

// A counter of pvsched's scheduler: its JSON name, the field, and what it counts.
struct ScxCounterInfo {
  const char* name;
  __u64 pvs_scx_counts::* field;
  const char* meaning;
};
const std::vector<ScxCounterInfo>& ScxCounterInfos();

// The event counters of sched_ext itself, in the kernel's order; from 6.15 on.
// Empty if the kernel has none, or if no sched_ext scheduler runs.
inline constexpr char kScxEventsPath[] = "/sys/kernel/sched_ext/root/events";
std::vector<std::pair<std::string, int64_t>> ReadScxEvents(
    const std::string& path = kScxEventsPath);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_SCX_COUNTERS_H_
