// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/memory_check.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {

absl::Status NotMemory() {
  return absl::InvalidArgumentError(
      "guest memory must be a memfd, shared memory or huge pages (memory-backend-memfd)");
}

absl::Status CheckMemory(int memory, uint64_t offset, uint64_t length) {
  // The kernel answers this only for shared memory and huge pages. First: no call before asks a
  // file system.
  if (fcntl(memory, F_GET_SEALS) < 0) return NotMemory();
  struct stat info;
  if (fstat(memory, &info) != 0) return ErrnoStatus(errno, "fstat of guest memory");
  if ((fcntl(memory, F_GETFL) & O_ACCMODE) != O_RDWR) {
    return absl::InvalidArgumentError("guest memory must be open for reading and writing");
  }
  const uint64_t size = static_cast<uint64_t>(info.st_size);
  if (offset % length != 0 || size < length || offset > size - length) {
    return absl::InvalidArgumentError(absl::StrCat("offset ", offset, " of ", size,
                                                   " bytes of guest memory does not hold ", length,
                                                   " aligned bytes"));
  }
  return absl::OkStatus();
}

}  // namespace pvsched
