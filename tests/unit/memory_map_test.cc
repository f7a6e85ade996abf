// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/memory_map.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <string>

#include "tests/unit/guest_record.h"

namespace pvsched {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kPage = MemoryMap::kPageSize;
constexpr MemoryMap::Access kReadWrite{.read = true, .write = true};

class MemoryMapTest : public ::testing::Test {
 protected:
  absl::StatusCode Add(uint64_t gpa, uint64_t size, uint64_t offset = 0) {
    return map_.Add(gpa, size, offset, kReadWrite, MakeMemfd(offset + size)).code();
  }
  absl::StatusCode AddWithoutFile(uint64_t gpa, uint64_t size) {
    return map_.Add(gpa, size, 0, kReadWrite, UniqueFd()).code();
  }

  absl::Status Read(uint64_t gpa, uint64_t length, void* out) {
    const auto mapping = map_.Translate(gpa, length);
    return mapping.ok() ? map_.Read(mapping->range, out) : mapping.status();
  }

  MemoryMap map_;
};

using enum absl::StatusCode;

TEST_F(MemoryMapTest, AddressesWithinARegionTranslate) {
  ASSERT_EQ(Add(0, kMiB), kOk);
  ASSERT_EQ(Add(16 * kMiB, kMiB, 4 * kMiB), kOk);
  const auto first = map_.Translate(kMiB - 256, 256);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->range.offset, kMiB - 256);
  EXPECT_EQ(first->range.length, 256u);
  const auto second = map_.Translate(16 * kMiB + kPage, 256);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->range.offset, 4 * kMiB + kPage);
  EXPECT_TRUE(second->is_writable);
  EXPECT_NE(first->file_ino, second->file_ino);
}

TEST_F(MemoryMapTest, RangesNotWithinOneRegionDoNotTranslate) {
  ASSERT_EQ(Add(kMiB, kMiB), kOk);
  ASSERT_EQ(Add(2 * kMiB, kMiB), kOk);
  EXPECT_EQ(map_.Translate(kMiB - 1, 2).status().code(), kNotFound);
  EXPECT_EQ(map_.Translate(2 * kMiB - 128, 256).status().code(), kNotFound);
  EXPECT_EQ(map_.Translate(3 * kMiB, 1).status().code(), kNotFound);
  EXPECT_EQ(map_.Translate(0, 1).status().code(), kNotFound);
  EXPECT_EQ(map_.Translate(UINT64_MAX, 2).status().code(), kNotFound);
  EXPECT_EQ(map_.Translate(kMiB, UINT64_MAX).status().code(), kNotFound);
}

TEST_F(MemoryMapTest, RegionsWithoutFileReserveAddressesButDoNotTranslate) {
  ASSERT_EQ(AddWithoutFile(kMiB, kMiB), kOk);
  EXPECT_EQ(map_.Translate(kMiB, 256).status().code(), kNotFound);
  EXPECT_EQ(Add(kMiB, kPage), kAlreadyExists);
  EXPECT_TRUE(map_.Remove(kMiB, kMiB).ok());
}

TEST_F(MemoryMapTest, OverlappingRegionsAreRefused) {
  ASSERT_EQ(Add(4 * kMiB, 2 * kMiB), kOk);
  EXPECT_EQ(Add(4 * kMiB, 2 * kMiB), kAlreadyExists);
  EXPECT_EQ(Add(5 * kMiB, kMiB), kAlreadyExists);
  EXPECT_EQ(Add(6 * kMiB - kPage, kMiB), kAlreadyExists);
  EXPECT_EQ(Add(3 * kMiB, kMiB + kPage), kAlreadyExists);
  EXPECT_EQ(Add(0, 64 * kMiB), kAlreadyExists);
  EXPECT_EQ(Add(3 * kMiB, kMiB), kOk);
  EXPECT_EQ(Add(6 * kMiB, kMiB), kOk);
}

TEST_F(MemoryMapTest, OnlyTheExactRegionIsRemoved) {
  ASSERT_EQ(Add(kMiB, kMiB), kOk);
  EXPECT_EQ(map_.Remove(kMiB, kMiB / 2).code(), kNotFound);
  EXPECT_EQ(map_.Remove(kMiB + kPage, kMiB - kPage).code(), kNotFound);
  EXPECT_EQ(map_.Remove(0, 4 * kMiB).code(), kNotFound);
  EXPECT_TRUE(map_.Contains(kMiB, kMiB));
  EXPECT_TRUE(map_.Remove(kMiB, kMiB).ok());
  EXPECT_EQ(map_.Remove(kMiB, kMiB).code(), kNotFound);
  EXPECT_EQ(map_.Translate(kMiB, 1).status().code(), kNotFound);
}

TEST_F(MemoryMapTest, RemovalClosesTheFd) {
  UniqueFd fd = MakeMemfd(kMiB);
  const int raw_fd = fd.get();
  ASSERT_TRUE(map_.Add(0, kMiB, 0, kReadWrite, std::move(fd)).ok());
  ASSERT_NE(fcntl(raw_fd, F_GETFD), -1);
  ASSERT_TRUE(map_.Remove(0, kMiB).ok());
  EXPECT_EQ(fcntl(raw_fd, F_GETFD), -1);
}

TEST_F(MemoryMapTest, RefusedRegionClosesItsFd) {
  UniqueFd fd = MakeMemfd(kMiB);
  const int raw_fd = fd.get();
  EXPECT_FALSE(map_.Add(0, 2 * kMiB, 0, kReadWrite, std::move(fd)).ok());
  EXPECT_EQ(fcntl(raw_fd, F_GETFD), -1);
}

TEST_F(MemoryMapTest, WrongSizeOrAlignmentIsRefused) {
  EXPECT_EQ(AddWithoutFile(0, 0), kInvalidArgument);
  EXPECT_EQ(AddWithoutFile(0, MemoryMap::kMaxRegionSize + kPage), kInvalidArgument);
  EXPECT_EQ(AddWithoutFile(1, kPage), kInvalidArgument);
  EXPECT_EQ(AddWithoutFile(0, kPage + 1), kInvalidArgument);
  EXPECT_EQ(map_.Add(0, kPage, 1, kReadWrite, MakeMemfd(kMiB)).code(), kInvalidArgument);
  EXPECT_EQ(AddWithoutFile(0, MemoryMap::kMaxRegionSize), kOk);
}

TEST_F(MemoryMapTest, OverflowIsRefusedAndTheLastPageAccepted) {
  EXPECT_EQ(AddWithoutFile(UINT64_MAX - kPage + 1, 2 * kPage), kInvalidArgument);
  EXPECT_EQ(AddWithoutFile(UINT64_MAX - kPage + 1, kPage), kOk);
  EXPECT_EQ(map_.Add(0, kPage, UINT64_MAX - kPage + 1, kReadWrite, MakeMemfd(kPage)).code(),
            kInvalidArgument);
}

TEST_F(MemoryMapTest, RegionsAboveTheMaximumAreRefused) {
  for (size_t i = 0; i < MemoryMap::kMaxRegions; ++i) {
    ASSERT_EQ(AddWithoutFile(i * kPage, kPage), kOk);
  }
  EXPECT_EQ(AddWithoutFile(MemoryMap::kMaxRegions * kPage, kPage), kResourceExhausted);
  ASSERT_TRUE(map_.Remove(0, kPage).ok());
  EXPECT_EQ(AddWithoutFile(MemoryMap::kMaxRegions * kPage, kPage), kOk);
}

int CountOpenFds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<int>(std::distance(begin(fds), end(fds)));
}

// virtio-mem maps one file in thousands of pieces.
TEST_F(MemoryMapTest, RegionsOfOneFileShareADescriptor) {
  const UniqueFd memory = MakeMemfd(1000 * kPage);
  const int before = CountOpenFds();
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t at = i * kPage;
    ASSERT_TRUE(map_.Add(at, kPage, at, kReadWrite, UniqueFd(dup(memory.get()))).ok());
  }
  EXPECT_EQ(CountOpenFds(), before + 1);
  EXPECT_EQ(map_.Translate(999 * kPage, 256)->range.offset, 999 * kPage);
  for (uint64_t i = 0; i < 1000; ++i) ASSERT_TRUE(map_.Remove(i * kPage, kPage).ok());
  EXPECT_EQ(CountOpenFds(), before);
}

TEST_F(MemoryMapTest, FilesAboveTheMaximumAreRefused) {
  for (uint64_t i = 0; i < MemoryMap::kMaxFiles; ++i) ASSERT_EQ(Add(i * kPage, kPage), kOk);
  EXPECT_EQ(Add(MemoryMap::kMaxFiles * kPage, kPage), kResourceExhausted);
  ASSERT_TRUE(map_.Remove(7 * kPage, kPage).ok());
  EXPECT_EQ(Add(MemoryMap::kMaxFiles * kPage, kPage), kOk);
}

TEST_F(MemoryMapTest, AccessModesOfOneFileAreKeptApart) {
  const UniqueFd memory = MakeMemfd(2 * kPage);
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  ASSERT_TRUE(
      map_.Add(0, kPage, 0, kReadWrite, UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC))).ok());
  ASSERT_TRUE(map_.Add(kPage, kPage, kPage, kReadWrite, UniqueFd(dup(memory.get()))).ok());
  EXPECT_FALSE(map_.Translate(0, 256)->is_writable);
  EXPECT_TRUE(map_.Translate(kPage, 256)->is_writable);
}

TEST_F(MemoryMapTest, RestoredMapTranslatesAndRefusesAsTheFirst) {
  const UniqueFd memory = MakeMemfd(4 * kPage);
  ASSERT_TRUE(map_.RestoreFile(3, UniqueFd(dup(memory.get()))).ok());
  ASSERT_TRUE(map_.RestoreFile(4, MakeMemfd(kPage)).ok());
  const MemoryMap::Region region{
      .gpa = kMiB, .size = 2 * kPage, .offset = kPage, .access = kReadWrite, .file = 3};
  ASSERT_TRUE(map_.RestoreRegion(region).ok());
  EXPECT_EQ(map_.RestoreRegion(region).code(), kAlreadyExists);
  EXPECT_EQ(map_.Translate(kMiB + kPage, 256)->range.offset, 2 * kPage);
  EXPECT_EQ(map_.RestoreRegion({.gpa = 0, .size = kPage, .file = 5}).code(), kNotFound);
  EXPECT_EQ(map_.RestoreRegion({.gpa = 0, .size = kPage, .file = 1}).code(), kNotFound);
  EXPECT_EQ(map_.RestoreRegion({.gpa = 1, .size = kPage}).code(), kInvalidArgument);
  EXPECT_EQ(map_.RestoreFile(MemoryMap::kMaxFiles, MakeMemfd(kPage)).code(), kInvalidArgument);
  const int before = CountOpenFds();
  map_.RemoveUnusedFiles();
  EXPECT_EQ(CountOpenFds(), before - 1) << "file 4";
  EXPECT_EQ(Add(0, kPage), kOk);
}

TEST_F(MemoryMapTest, RegionBeyondTheEndOfItsFileIsRefused) {
  EXPECT_EQ(map_.Add(0, kMiB, kPage, kReadWrite, MakeMemfd(kMiB)).code(), kInvalidArgument);
  EXPECT_EQ(map_.Add(0, kMiB, 2 * kMiB, kReadWrite, MakeMemfd(kMiB)).code(), kInvalidArgument);
  EXPECT_EQ(map_.Add(0, kMiB - kPage, kPage, kReadWrite, MakeMemfd(kMiB)).code(), kOk);
}

TEST_F(MemoryMapTest, FilesOtherThanRegularOnesAreRefused) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  UniqueFd writer(pipe_fds[1]);
  EXPECT_EQ(map_.Add(0, kPage, 0, kReadWrite, UniqueFd(pipe_fds[0])).code(), kInvalidArgument);
  EXPECT_EQ(map_.Add(0, kPage, 0, kReadWrite, UniqueFd(open("/dev/zero", O_RDWR))).code(),
            kInvalidArgument);
  EXPECT_EQ(map_.Add(0, kPage, 0, kReadWrite, UniqueFd(open("/tmp", O_RDONLY))).code(),
            kInvalidArgument);
}

TEST_F(MemoryMapTest, UnreadableFdIsRefused) {
  const UniqueFd memory = MakeMemfd(kMiB);
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  EXPECT_EQ(map_.Add(0, kMiB, 0, kReadWrite, UniqueFd(open(path.c_str(), O_WRONLY))).code(),
            kInvalidArgument);
  EXPECT_EQ(map_.Add(0, kMiB, 0, kReadWrite, UniqueFd(open(path.c_str(), O_PATH))).code(),
            kInvalidArgument);
}

TEST_F(MemoryMapTest, WritableNeedsAccessAndWritableFdAndNoSeal) {
  const UniqueFd memory = MakeMemfd(kMiB);
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  ASSERT_TRUE(map_.Add(0, kMiB, 0, {.read = true, .write = false}, MakeMemfd(kMiB)).ok());
  ASSERT_TRUE(map_.Add(kMiB, kMiB, 0, kReadWrite, UniqueFd(open(path.c_str(), O_RDONLY))).ok());
  UniqueFd sealed = MakeMemfd(kMiB);
  ASSERT_EQ(fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  ASSERT_TRUE(map_.Add(2 * kMiB, kMiB, 0, kReadWrite, std::move(sealed)).ok());
  ASSERT_EQ(Add(3 * kMiB, kMiB), kOk);
  EXPECT_FALSE(map_.Translate(0, 256)->is_writable);
  EXPECT_FALSE(map_.Translate(kMiB, 256)->is_writable);
  EXPECT_FALSE(map_.Translate(2 * kMiB, 256)->is_writable);
  EXPECT_TRUE(map_.Translate(3 * kMiB, 256)->is_writable);
}

TEST_F(MemoryMapTest, RegionWithoutReadAccessDoesNotTranslate) {
  ASSERT_TRUE(map_.Add(0, kMiB, 0, {.read = false, .write = true}, MakeMemfd(kMiB)).ok());
  EXPECT_EQ(map_.Translate(0, 256).status().code(), kNotFound);
}

TEST_F(MemoryMapTest, TwoFdsOfOneFileHaveTheSameIdentity) {
  const UniqueFd memory = MakeMemfd(kMiB);
  ASSERT_TRUE(map_.Add(0, kMiB, 0, kReadWrite, UniqueFd(dup(memory.get()))).ok());
  ASSERT_TRUE(map_.Add(kMiB, kMiB, 0, kReadWrite, UniqueFd(dup(memory.get()))).ok());
  EXPECT_EQ(map_.Translate(0, 1)->file_ino, map_.Translate(kMiB, 1)->file_ino);
}

TEST_F(MemoryMapTest, ReadSeesSharedWritesAndNotPrivateWrites) {
  UniqueFd memory = MakeMemfd(kMiB);
  auto* shared =
      static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0));
  auto* hidden = static_cast<char*>(
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory.get(), kPage));
  ASSERT_NE(shared, MAP_FAILED);
  ASSERT_NE(hidden, MAP_FAILED);
  shared[5] = 'x';
  hidden[5] = 'y';
  ASSERT_TRUE(map_.Add(0, kMiB, 0, kReadWrite, std::move(memory)).ok());
  char byte = 'z';
  EXPECT_TRUE(Read(5, 1, &byte).ok());
  EXPECT_EQ(byte, 'x');
  EXPECT_TRUE(Read(kPage + 5, 1, &byte).ok());
  EXPECT_EQ(byte, '\0');
  munmap(shared, kPage);
  munmap(hidden, kPage);
}

TEST_F(MemoryMapTest, ReadOfATruncatedFileIsAnErrorWithoutSignal) {
  UniqueFd memory = MakeMemfd(kMiB);
  const UniqueFd same(dup(memory.get()));
  ASSERT_TRUE(map_.Add(0, kMiB, 0, kReadWrite, std::move(memory)).ok());
  ASSERT_EQ(ftruncate(same.get(), kPage), 0);
  char bytes[64];
  EXPECT_EQ(Read(2 * kPage, 64, bytes).code(), kOutOfRange);
}

}  // namespace
}  // namespace pvsched
