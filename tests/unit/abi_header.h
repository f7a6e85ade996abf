// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_UNIT_ABI_HEADER_H_
#define PVSCHED_TESTS_UNIT_ABI_HEADER_H_

#include <cstdint>
#include <string>
#include <vector>

namespace pvsched {

// A named value of shared-abi/pvsched_abi.h, as its text has it.
struct AbiValue {
  std::string name;  // without the prefix
  uint64_t value;
  std::string comment;  // on the same line
};

// The header's `#define`s and enumerators whose names start with `prefix`, in
// the header's order.
std::vector<AbiValue> AbiValues(const std::string& prefix);

}  // namespace pvsched

#endif  // PVSCHED_TESTS_UNIT_ABI_HEADER_H_
