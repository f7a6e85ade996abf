// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/guest_page.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/status/status.h"

namespace pvsched {
namespace {

constexpr uint64_t kPageSize = 4096;

}  // namespace

MappedGuestPage::~MappedGuestPage() {
  if (base_ != nullptr) munmap(base_, size_);
}

absl::StatusOr<MappedGuestPage> MappedGuestPage::Map(const GuestAddress& where) {
  struct stat info;
  if (fstat(where.memory, &info) != 0) return absl::ErrnoToStatus(errno, "fstat of guest memory");
  MappedGuestPage mapped;
  // hugetlbfs maps whole huge pages only. It reports their size as st_blksize.
  mapped.size_ = std::max<uint64_t>(kPageSize, static_cast<uint64_t>(info.st_blksize));
  const uint64_t start = where.offset / mapped.size_ * mapped.size_;
  void* base = mmap(nullptr, mapped.size_, PROT_READ | PROT_WRITE, MAP_SHARED, where.memory,
                    static_cast<off_t>(start));
  if (base == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap of guest memory");
  mapped.base_ = base;
  mapped.address_ = static_cast<char*>(base) + (where.offset - start);
  return mapped;
}

}  // namespace pvsched
