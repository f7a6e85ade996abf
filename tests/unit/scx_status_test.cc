// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What pvschedd keeps and shows of sched_ext: the exit record with the kernel's
// dump, and the event counters.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/ctl/tables.h"
#include "host-policy/daemon/admin_json.h"
#include "host-policy/daemon/scx_counters.h"
#include "host-policy/daemon/scx_exit_record.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ScxExitRecordTest : public testing::Test {
 protected:
  void TearDown() override { unlink(record_.path().c_str()); }

  ScxExitRecord record_{testing::TempDir() + "scheduler-end-" + std::to_string(getpid())};
};

TEST_F(ScxExitRecordTest, NoFileIsNoExit) { EXPECT_FALSE(record_.Load().has_value()); }

TEST_F(ScxExitRecordTest, ExitOfTheKernelIsKept) {
  pvs_scx_exit exit = {};
  exit.code = 7;
  strcpy(exit.reason, "runnable task stall");
  strcpy(exit.message, "vhost[12] failed to run for 5.1s");
  const std::string summary = record_.Save(exit);
  EXPECT_THAT(summary, HasSubstr("runnable task stall: vhost[12] failed to run for 5.1s, code 7"));
  const auto loaded = record_.Load();
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->reason, "runnable task stall");
  EXPECT_EQ(loaded->message, "vhost[12] failed to run for 5.1s");
  EXPECT_EQ(loaded->code, 7);
  EXPECT_EQ(ScxExitRecord::Summary(*loaded), summary);
}

TEST_F(ScxExitRecordTest, DumpIsKeptWithItsLines) {
  record_.Save(ScxExit{.reason = "error", .kind = 1026, .dump = "CPU 0\n\n  R task[1]\n"});
  const auto loaded = record_.Load();
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->kind, 1026u);
  EXPECT_EQ(loaded->dump, "CPU 0\n\n  R task[1]\n");
}

TEST_F(ScxExitRecordTest, LongDumpIsCutOff) {
  record_.Save(ScxExit{.reason = "error", .dump = std::string(ScxExitRecord::kDumpMax + 1, 'x')});
  const std::string dump = record_.Load()->dump;
  EXPECT_LT(dump.size(), ScxExitRecord::kDumpMax + 32);
  EXPECT_THAT(dump, testing::EndsWith("[cut off]\n"));
}

TEST_F(ScxExitRecordTest, ControlCharactersDoNotReachATerminalOrTheFormat) {
  record_.Save(ScxExit{.reason = "a\nkind: 9", .message = "b\x1b[31m", .dump = "c\x1b[2J\r\tok\n"});
  const auto loaded = record_.Load();
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->reason, "a kind: 9");
  EXPECT_EQ(loaded->message, "b [31m");
  EXPECT_EQ(loaded->kind, 0u);
  EXPECT_EQ(loaded->dump, "c?[2J?\tok\n");
}

TEST_F(ScxExitRecordTest, NewerExitReplacesTheOlder) {
  record_.Save(ScxExit{.reason = "older", .dump = std::string(100, 'x')});
  record_.Save(ScxExit{.reason = "newer"});
  EXPECT_EQ(record_.Load()->reason, "newer");
  EXPECT_THAT(record_.Load()->dump, IsEmpty());
}

TEST_F(ScxExitRecordTest, EachExitIsCounted) {
  record_.Save(ScxExit{.reason = "first"});
  EXPECT_EQ(record_.Load()->count, 1u);
  record_.Save(ScxExit{.reason = "second"});
  EXPECT_EQ(record_.Load()->count, 2u);
}

TEST_F(ScxExitRecordTest, RecordWithoutACountIsOneExit) {
  std::ofstream(record_.path()) << "2026-01-02 03:04:05 stall\n";
  EXPECT_EQ(record_.Load()->count, 1u);
}

TEST_F(ScxExitRecordTest, FileIsForTheOwnerOnly) {
  record_.Save(ScxExit{.reason = "error"});
  struct stat info;
  ASSERT_EQ(stat(record_.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(ScxEvents, FileOfTheKernelIsRead) {
  const std::string path = testing::TempDir() + "events-" + std::to_string(getpid());
  std::ofstream(path) << "SCX_EV_SELECT_CPU_FALLBACK 0\nSCX_EV_DISPATCH_KEEP_LAST 4711\n";
  EXPECT_THAT(ReadScxEvents(path),
              testing::ElementsAre(testing::Pair("SCX_EV_SELECT_CPU_FALLBACK", 0),
                                   testing::Pair("SCX_EV_DISPATCH_KEEP_LAST", 4711)));
  unlink(path.c_str());
}

TEST(ScxEvents, KernelWithoutTheFileHasNone) { EXPECT_THAT(ReadScxEvents("/nowhere"), IsEmpty()); }

TEST(ScxCounters, JsonHasEachCounterOnce) {
  EXPECT_EQ(ScxCountsToJson({}).size(), sizeof(pvs_scx_counts) / sizeof(__u64));
}

TEST(SchedulerTable, RunningSchedulerShowsBothKindsOfCounters) {
  const Json status = {{"actuator", "scx"},
                       {"is_scheduler", true},
                       {"events_lost", 5},
                       {"recursion_misses", 7},
                       {"last_end", ""},
                       {"last_exit", nullptr},
                       {"missing_callbacks", {"cgroup_set_bandwidth"}},
                       {"counts", {{"preempted", 42}}},
                       {"kernel_events", {{"SCX_EV_BYPASS_ACTIVATE", 3}}}};
  const std::string text = SchedulerTable(status);
  EXPECT_THAT(text, HasSubstr("          42  vCPUs that preempted"));
  EXPECT_THAT(text, HasSubstr("           5  events that no decision followed"));
  EXPECT_THAT(text, HasSubstr("           7  events possibly missed"));
  EXPECT_THAT(text, HasSubstr("           3  SCX_EV_BYPASS_ACTIVATE"));
  EXPECT_THAT(text, HasSubstr("no ops.cgroup_set_bandwidth()"));
  EXPECT_THAT(text, Not(HasSubstr("ejected")));
}

TEST(SchedulerTable, EjectedSchedulerShowsReasonAndWhereTheDumpIs) {
  const ScxExit exit = {.time = "2026-01-02 03:04:05", .reason = "stall", .dump = "CPU 0\n"};
  const Json status = {{"actuator", "agent"},
                       {"is_scheduler", false},
                       {"last_end", ScxExitRecord::Summary(exit)},
                       {"last_exit", ScxExitToJson(exit, "/run/pvsched/scheduler-end")}};
  const std::string text = SchedulerTable(status);
  EXPECT_THAT(text, HasSubstr("pvsched's actuator is agent"));
  EXPECT_THAT(text, HasSubstr("last ejected by the kernel: 2026-01-02 03:04:05 stall\n"));
  EXPECT_THAT(text, HasSubstr("/run/pvsched/scheduler-end"));
  EXPECT_EQ(ExitDump(status), "CPU 0\n");
}

TEST(SchedulerTable, ExitWithoutADumpNamesNoFile) {
  const ScxExit exit = {.time = "2026-01-02 03:04:05", .reason = "stall"};
  const Json status = {{"actuator", "agent"},
                       {"is_scheduler", false},
                       {"last_end", ScxExitRecord::Summary(exit)},
                       {"last_exit", ScxExitToJson(exit, "/run/pvsched/scheduler-end")}};
  EXPECT_THAT(SchedulerTable(status), Not(HasSubstr("dump")));
  EXPECT_THAT(ExitDump(status), IsEmpty());
}

}  // namespace
}  // namespace pvsched
