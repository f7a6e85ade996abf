// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_STANDARD_OUTPUT_H_
#define PVSCHED_COMMON_STANDARD_OUTPUT_H_

#include <cerrno>
#include <cstdio>

#include "absl/status/status.h"
#include "common/errno_status.h"

namespace pvsched {

// Writes what is buffered. The error is that of this write or of an earlier one,
// which would otherwise be lost: a full disk, a closed pipe.
inline absl::Status FlushStandardOutput() {
  const bool has_failed = ferror(stdout) != 0;
  errno = 0;
  if (fflush(stdout) == 0 && !has_failed) return absl::OkStatus();
  constexpr char kMessage[] = "cannot write to standard output";
  // The reason of an earlier failure is no longer known.
  return errno != 0 ? ErrnoStatus(errno, kMessage) : absl::UnavailableError(kMessage);
}

}  // namespace pvsched

#endif  // PVSCHED_COMMON_STANDARD_OUTPUT_H_
