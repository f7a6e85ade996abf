// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_GUEST_PAGE_H_
#define PVSCHED_HOST_POLICY_LOADER_GUEST_PAGE_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

namespace pvsched {

// An address in guest memory: a file, which the caller owns, and an offset into it.
struct GuestAddress {
  int memory = -1;  // -1: none
  uint64_t offset = 0;
};

// A page of guest memory, mapped only until the kernel has pinned it. The pin outlives the
// mapping. A longer mapping would be a risk: a VMM that truncates the file makes it fault.
class MappedGuestPage {
 public:
  MappedGuestPage() = default;
  MappedGuestPage(MappedGuestPage&& other) noexcept { *this = std::move(other); }
  MappedGuestPage& operator=(MappedGuestPage&& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(size_, other.size_);
    std::swap(address_, other.address_);
    return *this;
  }
  ~MappedGuestPage();

  // Maps the page that holds the address.
  static absl::StatusOr<MappedGuestPage> Map(const GuestAddress& where);

  // The mapped address itself, not its page's start; null: nothing is mapped.
  void* address() const { return address_; }

 private:
  void* base_ = nullptr;
  size_t size_ = 0;
  void* address_ = nullptr;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_GUEST_PAGE_H_
