// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/memory_check.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {

absl::Status CheckMemory(int memory, uint64_t offset, uint64_t length) {
  struct stat info;
  struct statfs file_system;
  if (fstat(memory, &info) != 0 || fstatfs(memory, &file_system) != 0) {
    return ErrnoStatus(errno, "fstat of guest memory");
  }
  if (file_system.f_type != TMPFS_MAGIC && file_system.f_type != HUGETLBFS_MAGIC) {
    return absl::InvalidArgumentError(
        "guest memory must be a memfd, shared memory or huge pages (memory-backend-memfd)");
  }
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
