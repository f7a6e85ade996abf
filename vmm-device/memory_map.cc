// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/memory_map.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {
namespace {

// Checks that the file can back `range`.
absl::StatusOr<GuestMemory::Mapping> CheckFile(const GuestRange& range, bool write) {
  struct stat st;
  if (fstat(range.fd, &st) != 0) return ErrnoStatus(errno, "fstat of guest memory");
  if (!S_ISREG(st.st_mode)) {
    return absl::InvalidArgumentError("guest memory is not a regular file or memfd");
  }
  const auto file_size = static_cast<uint64_t>(st.st_size);
  if (range.offset > file_size || range.length > file_size - range.offset) {
    return absl::InvalidArgumentError(absl::StrCat("guest memory at offset ", range.offset, " + ",
                                                   range.length, " exceeds its file of ", file_size,
                                                   " bytes"));
  }
  const int flags = fcntl(range.fd, F_GETFL);
  if (flags < 0) return ErrnoStatus(errno, "F_GETFL of guest memory");
  const int mode = flags & O_ACCMODE;
  if ((flags & O_PATH) || mode == O_WRONLY) {
    return absl::InvalidArgumentError("guest memory's file descriptor is not readable");
  }

  // -1 for files without seals.
  const int seals = fcntl(range.fd, F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK)) {
    LOG_FIRST_N(INFO, 1) << "guest memory has no F_SEAL_SHRINK: the device reads it safely, but a "
                            "process that maps it must handle SIGBUS";
  }
  const bool is_sealed = seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
  return GuestMemory::Mapping{.range = range,
                              .is_writable = write && mode == O_RDWR && !is_sealed,
                              .file_dev = st.st_dev,
                              .file_ino = st.st_ino};
}

}  // namespace

absl::Status MemoryMap::Add(uint64_t gpa, uint64_t size, uint64_t offset, Access access,
                            UniqueFd fd) {
  if (size == 0 || size > kMaxRegionSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("a region of ", size, " bytes: 1 to ", kMaxRegionSize, " are possible"));
  }
  if ((gpa | size) % kPageSize != 0 || (fd && offset % kPageSize != 0)) {
    return absl::InvalidArgumentError("a region that is not aligned to pages");
  }
  if (gpa + (size - 1) < gpa || offset + (size - 1) < offset) {
    return absl::InvalidArgumentError("a region that overflows 64 bits");
  }
  if (regions_.size() >= kMaxRegions) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxRegions, " regions"));
  }

  const auto next = regions_.lower_bound(gpa);
  if (next != regions_.end() && next->first - gpa < size) {
    return absl::AlreadyExistsError("a region that overlaps the next region");
  }
  if (next != regions_.begin()) {
    const auto& [previous_gpa, previous] = *std::prev(next);
    if (gpa - previous_gpa < previous.mapping.range.length) {
      return absl::AlreadyExistsError("a region that overlaps the previous region");
    }
  }

  Mapping mapping{.range = {.length = size}};
  if (fd && access.read) {
    const GuestRange range{.fd = fd.get(), .offset = offset, .length = size};
    ASSIGN_OR_RETURN(mapping, CheckFile(range, access.write));
  } else {
    fd.reset();
  }
  regions_.emplace(gpa, Region{mapping, std::move(fd)});
  return absl::OkStatus();
}

bool MemoryMap::Contains(uint64_t gpa, uint64_t size) const {
  const auto it = regions_.find(gpa);
  return it != regions_.end() && it->second.mapping.range.length == size;
}

absl::Status MemoryMap::Remove(uint64_t gpa, uint64_t size) {
  if (!Contains(gpa, size)) return absl::NotFoundError("no region has this address and size");
  regions_.erase(gpa);
  return absl::OkStatus();
}

absl::StatusOr<GuestMemory::Mapping> MemoryMap::Translate(uint64_t gpa, uint64_t length) const {
  auto it = regions_.upper_bound(gpa);
  if (it == regions_.begin()) return absl::NotFoundError("no guest memory at this address");
  --it;
  const auto& [start, region] = *it;
  const uint64_t delta = gpa - start;
  const uint64_t size = region.mapping.range.length;
  if (delta >= size || length > size - delta) {
    return absl::NotFoundError("not within one region of guest memory");
  }
  if (!region.fd) return absl::NotFoundError("guest memory without a file descriptor");
  Mapping mapping = region.mapping;
  mapping.range.offset += delta;
  mapping.range.length = length;
  return mapping;
}

absl::Status MemoryMap::Read(const GuestRange& range, void* out) const {
  auto* bytes = static_cast<char*>(out);
  uint64_t done = 0;
  while (done < range.length) {
    const ssize_t n =
        pread(range.fd, bytes + done, range.length - done, static_cast<off_t>(range.offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "cannot read guest memory");
    if (n == 0) return absl::OutOfRangeError("guest memory was truncated");
    done += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace pvsched
