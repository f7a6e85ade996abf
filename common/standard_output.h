// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_STANDARD_OUTPUT_H_
#define PVSCHED_COMMON_STANDARD_OUTPUT_H_

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "absl/status/status.h"
#include "common/errno_status.h"

namespace pvsched {

// Opens the standard files that this process was started without, so that no other
// file gets their numbers. Standard output and error are then open for reading
// only: writing to them fails.
inline void HoldStandardFiles() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one.
    [[maybe_unused]] const int held = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

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
