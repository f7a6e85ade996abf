// SPDX-License-Identifier: Apache-2.0
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

// While it lives the kernel accounts BPF programs' run time; false if it cannot.
UniqueFd AccountProgramCosts();

// What pvsched's programs have cost since they were loaded, by name; those that
// ran. As the kernel accounts it (struct bpf_prog_info).
std::map<std::string, ProgramCost> ProgramCosts();

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_PROGRAM_COST_H_
