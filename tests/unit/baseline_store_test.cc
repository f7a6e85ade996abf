// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/baseline_store.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BaselineStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/baseline-test-XXXXXX";
    directory_ = mkdtemp(directory);
    auto store = BaselineStore::Open(directory_ + "/baseline");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    ASSERT_TRUE(store_->Add(0, gettid()).ok());
    // The state after a boost. The applied parameters equal the baseline.
    BaselineStore::Entry& entry = store_->entry(0);
    entry.applied = entry.previous = entry.baseline;
    entry.is_applied = 1;
  }
  void TearDown() override {
    unlink((directory_ + "/baseline").c_str());
    rmdir(directory_.c_str());
  }

  std::string directory_;
  std::unique_ptr<BaselineStore> store_;
};

// A full /run. Else the first write to an entry would be a SIGBUS.
TEST_F(BaselineStoreTest, FullFileSystemIsAnError) {
  const std::string full = directory_ + "/full";
  ASSERT_EQ(mkdir(full.c_str(), 0700), 0);
  if (mount("none", full.c_str(), "tmpfs", 0, "size=64k") != 0) {
    rmdir(full.c_str());
    GTEST_SKIP() << "needs root, to mount a small tmpfs";
  }
  const absl::Status status = BaselineStore::Open(full + "/baseline").status();
  EXPECT_EQ(umount(full.c_str()), 0);
  rmdir(full.c_str());
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("cannot reserve"), HasSubstr("No space left")));
}

TEST_F(BaselineStoreTest, EntryOfAThreadThatHasEndedIsFreed) {
  store_->entry(0).start_time += 1;
  EXPECT_FALSE(store_->Restore(0));
  EXPECT_EQ(store_->entry(0).tid, 0);
}

TEST_F(BaselineStoreTest, EntryOfAThreadThatCannotBeRestoredNowIsKept) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_FALSE(store_->Restore(0));
  EXPECT_EQ(store_->RestoreAll(), 0);
  EXPECT_EQ(store_->entry(0).tid, gettid());
  EXPECT_NE(store_->entry(0).is_applied, 0u);
  EXPECT_FALSE(store_->Add(0, getppid()).ok());
  EXPECT_EQ(store_->entry(0).tid, gettid());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(store_->RestoreAll(), 1);
  EXPECT_EQ(store_->entry(0).tid, 0);
}

}  // namespace
}  // namespace pvsched
