// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_PROGRAM_COST_H_
#define PVSCHED_TESTS_NATIVE_PROGRAM_COST_H_

#include <cstdint>
#include <map>
#include <string>

#include "common/unique_fd.h"

namespace pvsched {

struct ProgramCost {
  uint64_t runs = 0;
  uint64_t ns = 0;
  double mean_ns() const {
    return runs == 0 ? 0 : static_cast<double>(ns) / static_cast<double>(runs);
  }
};

// Makes the kernel account the run time of BPF programs while the descriptor is
// open. Empty if the kernel cannot.
UniqueFd AccountProgramCosts();

// The cost of pvsched's programs since they were loaded, by name, as the kernel
// accounts it (struct bpf_prog_info). Programs that have not run are left out.
std::map<std::string, ProgramCost> ProgramCosts();

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_PROGRAM_COST_H_
