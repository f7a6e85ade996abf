// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/guest_page.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "common/unique_fd.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

constexpr uint64_t kPage = 4096;

UniqueFd GuestMemory(uint64_t size) {
  UniqueFd memory(memfd_create("guest", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(memory.get(), static_cast<off_t>(size)), 0);
  return memory;
}

TEST(GuestPage, MapsTheAddressAndNotItsPagesStart) {
  const UniqueFd memory = GuestMemory(4 * kPage);
  const uint32_t value = 0x12345678;
  const uint64_t offset = 2 * kPage + 256;
  ASSERT_EQ(pwrite(memory.get(), &value, sizeof(value), static_cast<off_t>(offset)),
            static_cast<ssize_t>(sizeof(value)));
  const auto page = MappedGuestPage::Map({.memory = memory.get(), .offset = offset});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(*static_cast<const uint32_t*>(page->address()), value);
}

TEST(GuestPage, StoresReachTheGuestsMemory) {
  const UniqueFd memory = GuestMemory(kPage);
  const auto page = MappedGuestPage::Map({.memory = memory.get(), .offset = 8});
  ASSERT_TRUE(page.ok()) << page.status();
  *static_cast<uint32_t*>(page->address()) = 7;
  uint32_t value = 0;
  ASSERT_EQ(pread(memory.get(), &value, sizeof(value), 8), static_cast<ssize_t>(sizeof(value)));
  EXPECT_EQ(value, 7u);
}

TEST(GuestPage, MovedPageIsMappedOnce) {
  const UniqueFd memory = GuestMemory(kPage);
  auto page = MappedGuestPage::Map({.memory = memory.get(), .offset = 0});
  ASSERT_TRUE(page.ok()) << page.status();
  void* address = page->address();
  const MappedGuestPage moved = *std::move(page);
  EXPECT_EQ(moved.address(), address);
  EXPECT_EQ(page->address(), nullptr);  // NOLINT(bugprone-use-after-move): the moved-from state
}

TEST(GuestPage, DescriptorThatIsNoFileIsRefused) {
  EXPECT_FALSE(MappedGuestPage::Map({.memory = -1, .offset = 0}).ok());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  EXPECT_FALSE(MappedGuestPage::Map({.memory = reader.get(), .offset = 0}).ok());
}

}  // namespace
}  // namespace pvsched
