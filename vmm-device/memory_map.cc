// SPDX-License-Identifier: Apache-2.0
#include "vmm-device/memory_map.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"

namespace pvsched {
namespace {

// What is behind the fd, if [offset, offset + size) of it can be guest memory.
absl::StatusOr<GuestMemory::Location> CheckFile(int fd, uint64_t offset, uint64_t size,
                                                bool write) {
  struct stat st;
  if (fstat(fd, &st) != 0) return absl::ErrnoToStatus(errno, "fstat of guest memory");
  if (!S_ISREG(st.st_mode)) {
    return absl::InvalidArgumentError("guest memory is not a regular file or memfd");
  }
  const auto file_size = static_cast<uint64_t>(st.st_size);
  if (offset > file_size || size > file_size - offset) {
    return absl::InvalidArgumentError(absl::StrCat("guest memory at ", offset, " + ", size,
                                                   " is beyond the end of its file of ", file_size,
                                                   " bytes"));
  }
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return absl::ErrnoToStatus(errno, "F_GETFL of guest memory");
  const int mode = flags & O_ACCMODE;
  if ((flags & O_PATH) || mode == O_WRONLY) {
    return absl::InvalidArgumentError("guest memory can't be read through its descriptor");
  }

  // -1 for files that know no seals.
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK)) {
    LOG_FIRST_N(INFO, 1) << "guest memory is not sealed against shrinking: it is only read here, "
                            "whoever maps it must be prepared";
  }
  const bool sealed = seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
  return GuestMemory::Location{.fd = fd,
                               .offset = offset,
                               .writable = write && mode == O_RDWR && !sealed,
                               .file_dev = st.st_dev,
                               .file_ino = st.st_ino};
}

}  // namespace

absl::Status MemoryMap::Add(uint64_t gpa, uint64_t size, uint64_t offset, Access access,
                            UniqueFd fd) {
  if (size == 0 || size > kMaxRegionSize) {
    return absl::InvalidArgumentError(absl::StrCat("a region of ", size, " bytes"));
  }
  if ((gpa | size) % kPageSize != 0 || (fd && offset % kPageSize != 0)) {
    return absl::InvalidArgumentError("a region that is not aligned to pages");
  }
  if (gpa + (size - 1) < gpa || offset + (size - 1) < offset) {
    return absl::InvalidArgumentError("a region that wraps around");
  }
  if (regions_.size() >= kMaxRegions) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxRegions, " regions"));
  }

  const auto next = regions_.lower_bound(gpa);
  if (next != regions_.end() && next->first - gpa < size) {
    return absl::AlreadyExistsError("a region that overlaps the next one");
  }
  if (next != regions_.begin()) {
    const auto& [previous_gpa, previous] = *std::prev(next);
    if (gpa - previous_gpa < previous.size) {
      return absl::AlreadyExistsError("a region that overlaps the previous one");
    }
  }

  Location start;
  if (fd && access.read) {
    absl::StatusOr<Location> location = CheckFile(fd.get(), offset, size, access.write);
    if (!location.ok()) return location.status();
    start = *location;
  } else {
    fd.reset();
  }
  regions_.emplace(gpa, Region{size, start, std::move(fd)});
  return absl::OkStatus();
}

bool MemoryMap::Contains(uint64_t gpa, uint64_t size) const {
  const auto it = regions_.find(gpa);
  return it != regions_.end() && it->second.size == size;
}

absl::Status MemoryMap::Remove(uint64_t gpa, uint64_t size) {
  if (!Contains(gpa, size)) return absl::NotFoundError("no such region");
  regions_.erase(gpa);
  return absl::OkStatus();
}

absl::StatusOr<GuestMemory::Location> MemoryMap::Translate(uint64_t gpa, uint64_t size) const {
  auto it = regions_.upper_bound(gpa);
  if (it == regions_.begin()) return absl::NotFoundError("no guest memory there");
  --it;
  const Region& region = it->second;
  const uint64_t delta = gpa - it->first;
  if (delta >= region.size || size > region.size - delta) {
    return absl::NotFoundError("not in one region of guest memory");
  }
  if (!region.fd) return absl::NotFoundError("guest memory without a descriptor");
  Location location = region.start;
  location.offset += delta;
  return location;
}

absl::Status MemoryMap::Read(const Location& location, void* out, size_t size) const {
  auto* bytes = static_cast<char*>(out);
  size_t done = 0;
  while (done < size) {
    const ssize_t n =
        pread(location.fd, bytes + done, size - done, static_cast<off_t>(location.offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "reading guest memory");
    if (n == 0) return absl::OutOfRangeError("guest memory has been truncated");
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace pvsched
