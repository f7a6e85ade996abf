// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// The guest admin's list of urgent cgroups, and the driver's notes of their waiting tasks.
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "pvsched_abi.h"
// Need the functions of the string header and the error numbers.
#include "guest-driver/pvsched_cgroup_list.h"
#include "guest-driver/pvsched_cgroup_waiters.h"

namespace {

class CgroupListTest : public testing::Test {
 protected:
  int Write(const std::string& text) {
    const pvsched_cgroup_list before = list_;
    const int error = pvsched_cgroup_parse(&list_, text.c_str());
    if (error != 0) list_ = before;  // as the driver does
    return error;
  }
  // As the driver shows it.
  std::string Text() const {
    std::string text;
    for (uint32_t i = 0; i < list_.count; ++i) {
      absl::StrAppend(&text, list_.paths[i], " ", list_.keys[i].rt_prio, "\n");
    }
    return text;
  }

  pvsched_cgroup_list list_ = {};
};

TEST_F(CgroupListTest, CommasAndLinesSeparateEntries) {
  EXPECT_EQ(Write("/a 1,/b 2\n/c 3\n"), 0);
  EXPECT_EQ(Text(), "/a 1\n/b 2\n/c 3\n");
}

TEST_F(CgroupListTest, TextThatIsShownIsAccepted) {
  ASSERT_EQ(Write("/ 1, /system.slice/nginx.service 10, /with blank/x 99"), 0);
  const std::string text = Text();
  EXPECT_EQ(Write(text), 0);
  EXPECT_EQ(Text(), text);
}

TEST_F(CgroupListTest, DeepestCgroupIsFirst) {
  ASSERT_EQ(Write("/ 1,/a 2,/a/b/c 3,/a/b 4,/d 5"), 0);
  EXPECT_EQ(Text(), "/a/b/c 3\n/a/b 4\n/a 2\n/d 5\n/ 1\n");
  EXPECT_EQ(list_.keys[0].level, 3);
  EXPECT_EQ(list_.keys[4].level, 0);
}

TEST_F(CgroupListTest, TextReplacesTheList) {
  ASSERT_EQ(Write("/a 1"), 0);
  EXPECT_EQ(Write("  /b 2\n"), 0);
  EXPECT_EQ(Text(), "/b 2\n");
  EXPECT_EQ(Write("\n"), 0);
  EXPECT_EQ(Text(), "");
}

TEST_F(CgroupListTest, SignsChangeTheList) {
  ASSERT_EQ(Write("/a 1,/b/c 2"), 0);
  EXPECT_EQ(Write("+/d 3"), 0);
  EXPECT_EQ(Write(" + /a 4,-/b/c"), 0);
  EXPECT_EQ(Text(), "/a 4\n/d 3\n");
}

TEST_F(CgroupListTest, RemovalKeepsPathsWithTheirPriorities) {
  ASSERT_EQ(Write("/a 1,/b 2,/c 3"), 0);
  EXPECT_EQ(Write("-/a"), 0);
  EXPECT_EQ(Text(), "/b 2\n/c 3\n");
}

TEST_F(CgroupListTest, CgroupIsRemovedByItsWholePath) {
  ASSERT_EQ(Write("/ab 1"), 0);
  EXPECT_EQ(Write("-/a"), -ENOENT);
  EXPECT_EQ(Write("-/abc"), -ENOENT);
  EXPECT_EQ(Write("-/" + std::string(1000, 'x')), -ENOENT);
  EXPECT_EQ(Write("-"), -ENOENT);
  EXPECT_EQ(Text(), "/ab 1\n");
}

TEST_F(CgroupListTest, WrongPriorityIsRefused) {
  for (const char* text : {"/a 0", "/a 100", "/a 4294967297", "/a 99999999999999999999"}) {
    EXPECT_EQ(Write(text), -ERANGE) << text;
  }
  for (const char* text : {"/a", "/a x", "/a -1", "/a 1x", "/a 0x1"}) {
    EXPECT_EQ(Write(text), -EINVAL) << text;
  }
}

TEST_F(CgroupListTest, WrongPathIsRefused) {
  for (const char* text : {"a 1", "//a 1", "/a/ 1", "/a//b 1", "// 1", "1", "+", " 1"}) {
    EXPECT_EQ(Write(text), -EINVAL) << text;
  }
}

TEST_F(CgroupListTest, LongPathIsRefused) {
  const std::string longest = "/" + std::string(PVSCHED_CGROUP_PATH_SIZE - 2, 'x');
  EXPECT_EQ(Write(longest + " 5"), 0);
  EXPECT_EQ(Text(), longest + " 5\n");
  EXPECT_EQ(Write(longest + "x 5"), -ENAMETOOLONG);
}

TEST_F(CgroupListTest, FullListTakesNoMore) {
  for (int i = 0; i < PVSCHED_CGROUPS_MAX; ++i) ASSERT_EQ(Write(absl::StrCat("+/", i, " 5")), 0);
  EXPECT_EQ(Write("+/more 5"), -ENOSPC);
  EXPECT_EQ(Write("+/0 6"), 0);
  EXPECT_EQ(list_.count, PVSCHED_CGROUPS_MAX);
}

TEST_F(CgroupListTest, FullListFitsIntoAFileOfSysfs) {
  for (int i = 0; i < PVSCHED_CGROUPS_MAX; ++i) {
    ASSERT_EQ(
        Write(absl::StrCat("+/", i + 10, std::string(PVSCHED_CGROUP_PATH_SIZE - 4, 'x'), " 99")),
        0);
  }
  EXPECT_LT(Text().size(), 4096);
  EXPECT_EQ(Write(Text()), 0);
}

class WaitersTest : public testing::Test {
 protected:
  void Add(int pid, uint32_t rt_prio) { pvsched_waiters_add(&waiters_, pid, rt_prio); }
  void Remove(int pid) { pvsched_waiters_remove(&waiters_, pid); }
  uint32_t Top() const { return pvsched_waiters_top(&waiters_); }

  pvsched_waiters waiters_ = {};
};

TEST_F(WaitersTest, MostUrgentTaskShowsUntilItRuns) {
  EXPECT_EQ(Top(), 0);
  Add(1, 5);
  Add(2, 8);
  Add(3, 6);
  EXPECT_EQ(Top(), 8);
  Remove(2);
  EXPECT_EQ(Top(), 6);
  Remove(3);
  Remove(1);
  EXPECT_EQ(Top(), 0);
}

TEST_F(WaitersTest, TaskIsNotedOnce) {
  Add(1, 5);
  Add(1, 7);
  EXPECT_EQ(Top(), 7);
  Remove(1);
  EXPECT_EQ(Top(), 0);
}

TEST_F(WaitersTest, OtherTaskRemovesNothing) {
  Add(1, 5);
  Remove(2);
  EXPECT_EQ(Top(), 5);
}

TEST_F(WaitersTest, MostUrgentOfTooManyTasksCount) {
  for (int pid = 1; pid <= PVSCHED_WAITERS_MAX; ++pid) Add(pid, 5);
  Add(100, 5);
  Add(101, 9);
  EXPECT_EQ(waiters_.count, PVSCHED_WAITERS_MAX);
  EXPECT_EQ(Top(), 9);
  Remove(101);
  EXPECT_EQ(Top(), 5);
  EXPECT_EQ(waiters_.count, PVSCHED_WAITERS_MAX - 1);
}

TEST_F(WaitersTest, NewGenerationForgetsAllTasks) {
  Add(1, 5);
  pvsched_waiters_renew(&waiters_, 0);
  EXPECT_EQ(Top(), 5);
  pvsched_waiters_renew(&waiters_, 1);
  EXPECT_EQ(Top(), 0);
}

}  // namespace
