// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/scx_counters.h"

#include <fstream>

namespace pvsched {

const std::vector<ScxCounterInfo>& ScxCounterInfos() {
  static const auto* const infos = new std::vector<ScxCounterInfo>{
      {"idle", &pvs_scx_counts::idle, "wake-ups onto an idle CPU"},
      {"queued", &pvs_scx_counts::queued, "tasks enqueued to wait for a CPU"},
      {"urgent_idle", &pvs_scx_counts::urgent_idle, "urgent vCPUs sent to an idle CPU"},
      {"preempted", &pvs_scx_counts::preempted, "vCPUs that preempted a task on a victim CPU"},
      {"urgent_queued", &pvs_scx_counts::urgent_queued,
       "urgent vCPUs enqueued for want of a victim CPU"},
      {"kept", &pvs_scx_counts::kept, "slices renewed for an urgent vCPU"},
      {"critical_kept", &pvs_scx_counts::critical_kept, "slices renewed for a critical section"},
      {"starved", &pvs_scx_counts::starved,
       "tasks that the starvation guard dispatched before an urgent vCPU"},
      {"pulled", &pvs_scx_counts::pulled, "vCPUs that became urgent while enqueued"},
      {"stolen", &pvs_scx_counts::stolen, "tasks that a CPU took from another LLC's queue"},
      {"boot_boosted", &pvs_scx_counts::boot_boosted, "wake-ups with a boot boost"},
      {"boot_refused", &pvs_scx_counts::boot_refused,
       "wake-ups without a boot boost, as the pool of its user or of the host was empty"},
      {"upgraded", &pvs_scx_counts::upgraded,
       "tasks moved to a faster CPU or to an idle core at the end of a slice"},
      {"held", &pvs_scx_counts::held,
       "times that a CPU idled for the urgent vCPU on its core's other CPU"},
  };
  return *infos;
}

std::vector<std::pair<std::string, int64_t>> ReadScxEvents(const std::string& path) {
  std::vector<std::pair<std::string, int64_t>> events;
  std::ifstream file(path);
  std::string name;
  int64_t value = 0;
  while (file >> name >> value) events.emplace_back(name, value);
  return events;
}

}  // namespace pvsched
