// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/native/program_cost.h"

#include <bpf/bpf.h>

#include <cstring>

namespace pvsched {

UniqueFd AccountProgramCosts() { return UniqueFd(bpf_enable_stats(BPF_STATS_RUN_TIME)); }

std::map<std::string, ProgramCost> ProgramCosts() {
  std::map<std::string, ProgramCost> costs;
  for (uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
    const UniqueFd fd(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info = {};
    uint32_t size = sizeof(info);
    if (!fd || bpf_prog_get_info_by_fd(fd.get(), &info, &size) != 0) continue;
    if (strncmp(info.name, "pvs_", 4) != 0 || info.run_cnt == 0) continue;
    costs[info.name] = {.runs = info.run_cnt, .ns = info.run_time_ns};
  }
  return costs;
}

}  // namespace pvsched
