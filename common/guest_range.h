// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_GUEST_RANGE_H_
#define PVSCHED_COMMON_GUEST_RANGE_H_

#include <cstdint>

namespace pvsched {

// A range of guest memory: `length` bytes that start `offset` bytes into the
// file of `fd`.
struct GuestRange {
  int fd = -1;  // borrowed; -1: no range
  uint64_t offset = 0;
  uint64_t length = 0;

  bool is_set() const { return fd >= 0; }
};

}  // namespace pvsched

#endif  // PVSCHED_COMMON_GUEST_RANGE_H_
