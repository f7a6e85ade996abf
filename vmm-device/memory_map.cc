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

// Checks what holds for the whole region, whatever else is in the map.
absl::Status CheckShape(const MemoryMap::Region& region, bool has_file) {
  if (region.size == 0 || region.size > MemoryMap::kMaxRegionSize) {
    return absl::InvalidArgumentError(absl::StrCat("a region of ", region.size, " bytes: 1 to ",
                                                   MemoryMap::kMaxRegionSize, " are possible"));
  }
  if ((region.gpa | region.size) % MemoryMap::kPageSize != 0 ||
      (has_file && region.offset % MemoryMap::kPageSize != 0)) {
    return absl::InvalidArgumentError("a region that is not aligned to pages");
  }
  const uint64_t last = region.size - 1;
  if (region.gpa + last < region.gpa || region.offset + last < region.offset) {
    return absl::InvalidArgumentError("a region that overflows 64 bits");
  }
  return absl::OkStatus();
}

// The O_ACCMODE of a readable regular file; fills `st`.
absl::StatusOr<int> CheckFile(int fd, struct stat& st) {
  if (fstat(fd, &st) != 0) return ErrnoStatus(errno, "fstat of guest memory");
  if (!S_ISREG(st.st_mode)) {
    return absl::InvalidArgumentError("guest memory is not a regular file or memfd");
  }
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return ErrnoStatus(errno, "F_GETFL of guest memory");
  const int mode = flags & O_ACCMODE;
  if ((flags & O_PATH) || mode == O_WRONLY) {
    return absl::InvalidArgumentError("guest memory's file descriptor is not readable");
  }
  return mode;
}

absl::Status CheckFileSize(const struct stat& st, const MemoryMap::Region& region) {
  const auto file_size = static_cast<uint64_t>(st.st_size);
  if (region.offset <= file_size && region.size <= file_size - region.offset) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("guest memory at offset ", region.offset, " + ",
                                                 region.size, " exceeds its file of ", file_size,
                                                 " bytes"));
}

bool IsSealedAgainstWrites(int fd) {
  // -1 for files without seals.
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || !(seals & F_SEAL_SHRINK)) {
    LOG_FIRST_N(INFO, 1) << "guest memory has no F_SEAL_SHRINK: the device reads it safely, but a "
                            "process that maps it must handle SIGBUS";
  }
  return seals >= 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
}

}  // namespace

absl::Status MemoryMap::Add(uint64_t gpa, uint64_t size, uint64_t offset, Access access,
                            UniqueFd fd) {
  Region region{.gpa = gpa, .size = size, .offset = offset, .access = access};
  RETURN_IF_ERROR(CheckShape(region, static_cast<bool>(fd)));
  RETURN_IF_ERROR(CheckPlace(gpa, size));
  bool is_writable = false;
  if (fd && access.read) {
    struct stat st;
    ASSIGN_OR_RETURN(const int mode, CheckFile(fd.get(), st));
    RETURN_IF_ERROR(CheckFileSize(st, region));
    is_writable = access.write && mode == O_RDWR && !IsSealedAgainstWrites(fd.get());
    ASSIGN_OR_RETURN(
        region.file,
        FindOrAddFile(
            File{.fd = std::move(fd), .dev = st.st_dev, .ino = st.st_ino, .access_mode = mode}));
  }
  AddBacking(region, is_writable);
  if (observer_ != nullptr) observer_->OnRegionAdded(region);
  return absl::OkStatus();
}

absl::Status MemoryMap::RestoreFile(uint32_t file, UniqueFd fd) {
  if (file >= kMaxFiles) return absl::InvalidArgumentError("a file beyond the limit");
  struct stat st;
  ASSIGN_OR_RETURN(const int mode, CheckFile(fd.get(), st));
  if (file >= files_.size()) files_.resize(file + 1);
  files_[file] = File{.fd = std::move(fd), .dev = st.st_dev, .ino = st.st_ino, .access_mode = mode};
  return absl::OkStatus();
}

absl::Status MemoryMap::RestoreRegion(const Region& region) {
  const bool has_file = region.file != kNoFile;
  RETURN_IF_ERROR(CheckShape(region, has_file));
  RETURN_IF_ERROR(CheckPlace(region.gpa, region.size));
  bool is_writable = false;
  if (has_file) {
    if (region.file >= files_.size() || !files_[region.file].fd) {
      return absl::NotFoundError("a region whose file is missing");
    }
    const File& file = files_[region.file];
    struct stat st;
    RETURN_IF_ERROR(CheckFile(file.fd.get(), st).status());
    // Guest memory can have been truncated meanwhile: reads fail then.
    is_writable =
        region.access.write && file.access_mode == O_RDWR && !IsSealedAgainstWrites(file.fd.get());
  }
  AddBacking(region, is_writable);
  return absl::OkStatus();
}

void MemoryMap::RemoveUnusedFiles() {
  for (uint32_t i = 0; i < files_.size(); ++i) {
    if (files_[i].fd && files_[i].regions == 0) Release(i);
  }
}

// Whether the addresses are free.
absl::Status MemoryMap::CheckPlace(uint64_t gpa, uint64_t size) const {
  if (regions_.size() >= kMaxRegions) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxRegions, " regions"));
  }
  const auto next = regions_.lower_bound(gpa);
  if (next != regions_.end() && next->first - gpa < size) {
    return absl::AlreadyExistsError("a region that overlaps the next region");
  }
  if (next != regions_.begin()) {
    const auto& [previous_gpa, previous] = *std::prev(next);
    if (gpa - previous_gpa < previous.size) {
      return absl::AlreadyExistsError("a region that overlaps the previous region");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> MemoryMap::FindOrAddFile(File file) {
  uint32_t free_file = static_cast<uint32_t>(files_.size());
  for (uint32_t i = 0; i < files_.size(); ++i) {
    const File& known = files_[i];
    if (!known.fd) {
      free_file = i;
    } else if (known.dev == file.dev && known.ino == file.ino &&
               known.access_mode == file.access_mode) {
      return i;
    }
  }
  if (free_file >= kMaxFiles) {
    return absl::ResourceExhaustedError(
        absl::StrCat("guest memory in more than ", kMaxFiles, " files"));
  }
  if (observer_ != nullptr) RETURN_IF_ERROR(observer_->OnFileAdded(free_file, file.fd.get()));
  if (free_file == files_.size()) {
    files_.push_back(std::move(file));
  } else {
    files_[free_file] = std::move(file);
  }
  return free_file;
}

void MemoryMap::AddBacking(const Region& region, bool is_writable) {
  if (region.file != kNoFile) ++files_[region.file].regions;
  regions_.emplace(region.gpa, Backing{.size = region.size,
                                       .offset = region.offset,
                                       .file = region.file,
                                       .is_writable = is_writable});
}

void MemoryMap::Release(uint32_t file) {
  files_[file] = {};
  if (observer_ != nullptr) observer_->OnFileRemoved(file);
}

bool MemoryMap::Contains(uint64_t gpa, uint64_t size) const {
  const auto it = regions_.find(gpa);
  return it != regions_.end() && it->second.size == size;
}

absl::Status MemoryMap::Remove(uint64_t gpa, uint64_t size) {
  if (!Contains(gpa, size)) return absl::NotFoundError("no region has this address and size");
  const uint32_t file = regions_.find(gpa)->second.file;
  regions_.erase(gpa);
  if (observer_ != nullptr) observer_->OnRegionRemoved(gpa);
  if (file != kNoFile && --files_[file].regions == 0) Release(file);
  return absl::OkStatus();
}

void MemoryMap::RemoveAll() {
  regions_.clear();
  if (observer_ != nullptr) observer_->OnAllRemoved();
  for (File& file : files_) file.regions = 0;
  RemoveUnusedFiles();
  files_.clear();
}

absl::StatusOr<GuestMemory::Mapping> MemoryMap::Translate(uint64_t gpa, uint64_t length) const {
  auto it = regions_.upper_bound(gpa);
  if (it == regions_.begin()) return absl::NotFoundError("no guest memory at this address");
  --it;
  const auto& [start, region] = *it;
  const uint64_t delta = gpa - start;
  if (delta >= region.size || length > region.size - delta) {
    return absl::NotFoundError("not within one region of guest memory");
  }
  if (region.file == kNoFile) {
    return absl::NotFoundError("guest memory without a file descriptor");
  }
  const File& file = files_[region.file];
  return Mapping{.range = {.fd = file.fd.get(), .offset = region.offset + delta, .length = length},
                 .is_writable = region.is_writable,
                 .file_dev = file.dev,
                 .file_ino = file.ino};
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
