// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Exit statuses, and the output files of pvschedctl.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/ctl/trace_file.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class PvschedctlOutputTest : public testing::Test {
 protected:
  PvschedctlOutputTest() { std::filesystem::create_directories(directory_); }
  ~PvschedctlOutputTest() override { std::filesystem::remove_all(directory_); }

  // The exit status of a program with these arguments.
  int Run(const std::string& program, const std::string& arguments) {
    return WEXITSTATUS(system((program + " " + arguments + " 2>" + directory_ + "/error").c_str()));
  }
  int Ctl(const std::string& arguments) { return Run(PVSCHEDCTL_PATH, arguments); }
  std::string Error() const { return TextOf(directory_ + "/error"); }
  std::string File(const std::string& text) {
    std::ofstream(directory_ + "/file") << text;
    return directory_ + "/file";
  }

  const std::string directory_ = testing::TempDir() + std::to_string(getpid()) + "-output";
};

TEST_F(PvschedctlOutputTest, OutputThatCannotBeWrittenIsAFailure) {
  for (const char* command : {"config default", "tunable list --markdown", "--help", "--version"}) {
    EXPECT_EQ(Ctl(std::string(command) + " >/dev/full"), 1) << command;
    EXPECT_THAT(Error(), HasSubstr("cannot write to standard output")) << command;
    EXPECT_EQ(Ctl(std::string(command) + " >/dev/null"), 0) << command;
  }
  EXPECT_EQ(Run(PVSCHEDD_PATH, "--scx-param list >/dev/full"), 1);
  EXPECT_THAT(Error(), HasSubstr("cannot write to standard output"));
}

TEST_F(PvschedctlOutputTest, OnlyWrongUsageHasStatusTwo) {
  for (const char* arguments : {"bogus", "vm bogus", "bogus list", "--bogus", "vm list --bogus"}) {
    EXPECT_EQ(Ctl(arguments), 2) << arguments;
    EXPECT_THAT(Error(), ContainsRegex("^pvschedctl: .*bogus")) << arguments;
  }
  EXPECT_EQ(Ctl("tunable get colour"), 2);
  EXPECT_EQ(Ctl("tunable set max-rt-prio 99"), 2);
  EXPECT_EQ(Ctl("tunable list --uid 99999999999"), 2);
  EXPECT_EQ(Ctl("tunable list --vm a --uid 0"), 2);
  EXPECT_EQ(Ctl("--socket /nowhere/admin.sock vm list"), 1);
  EXPECT_THAT(Error(), HasSubstr("No such file or directory; is pvschedd running?"));
}

TEST_F(PvschedctlOutputTest, ConfigCheckPrintsEachFaultAndFails) {
  EXPECT_EQ(Ctl("config check " + File("[host]\nbudget = 300\n") + " >/dev/null"), 0) << Error();
  EXPECT_EQ(Ctl("config check " + File("[host]\nbudget = -1\n\ncolour = 2\n")), 1);
  EXPECT_THAT(Error(), AllOf(HasSubstr("/file:2: [host] budget"), HasSubstr("/file:4: [host] ")));
  EXPECT_EQ(Ctl("config check " + directory_), 1);
  EXPECT_THAT(Error(), HasSubstr("Is a directory"));
  EXPECT_EQ(Ctl("config check " + directory_ + "/missing"), 1);
}

TEST_F(PvschedctlOutputTest, FaultyConfigurationPreventsTheStartAndNotTheRestore) {
  const std::string options = "--state-dir " + directory_ + " --config " + File("[host]\nx = 1\n");
  EXPECT_EQ(Run(PVSCHEDD_PATH, options), 1);
  EXPECT_THAT(Error(), HasSubstr("/file:2: [host] there is no tunable 'x'"));
  EXPECT_EQ(Run(PVSCHEDD_PATH, "--restore " + options), 0);
  EXPECT_THAT(Error(), HasSubstr("/file:2: [host] there is no tunable 'x'"));
}

TEST_F(PvschedctlOutputTest, TraceThatDoesNotBeginLeavesItsFile) {
  const std::string file = File("an older trace");
  EXPECT_EQ(Ctl("--socket /nowhere/admin.sock trace -s 1 -o " + file), 1);
  EXPECT_EQ(TextOf(file), "an older trace");
  EXPECT_EQ(Ctl("--socket /nowhere/admin.sock trace -s 1 -o " + directory_ + "/new"), 1);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/new"));
}

TEST_F(PvschedctlOutputTest, TraceReplacesAFileOnlyByDecisions) {
  const std::string path = File("an older trace");
  const Json decision = {{"pid", 1}, {"tid", 2}, {"ns", 3}, {"grant", "baseline"}};
  auto file = TraceFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_EQ(TextOf(path), "an older trace");
  file = TraceFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Add(decision).ok());
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_EQ(Json::parse(TextOf(path), nullptr, false)["traceEvents"].size(), 3u);
}

TEST_F(PvschedctlOutputTest, TraceWithoutDecisionsInANewFileIsValid) {
  auto file = TraceFile::Open(directory_ + "/new");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Close().ok());
  EXPECT_TRUE(Json::accept(TextOf(directory_ + "/new")));
}

TEST_F(PvschedctlOutputTest, FullDiskEndsATrace) {
  auto file = TraceFile::Open("/dev/full");
  ASSERT_TRUE(file.ok()) << file.status();
  const Json decision = {{"pid", 1}, {"tid", 2}, {"ns", 3}, {"grant", "boosted to rr 8"}};
  absl::Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) status = (*file)->Add(decision);
  EXPECT_THAT(status.message(), HasSubstr("cannot write /dev/full: No space left"));
  EXPECT_FALSE((*file)->Close().ok());
}

class PvschedctlMonitorTest : public PvscheddTest {};

// The socket to pvschedd must not become standard output.
TEST_F(PvschedctlMonitorTest, OutputThatCannotBeWrittenIsAFailureOfEachCommand) {
  auto connection = ConnectAndBind();
  for (const char* command :
       {"vm list", "vcpu list", "stats", "tunable list", "tunable get budget", "tunable save",
        "profile list", "policy show", "policy reset", "scheduler status", "metrics", "doctor",
        "top -n 1 -d 0.1", "scheduler dump --json", "config check /dev/null"}) {
    for (const char* output : {">&-", ">/dev/full"}) {
      int status = 0;
      daemon_.Ctl(std::string(command) + " 2>" + daemon_.path("error ") + output, &status);
      EXPECT_EQ(status, 1) << command << output;
      EXPECT_THAT(TextOf(daemon_.path("error")), HasSubstr("cannot write to standard output"))
          << command << output;
    }
  }
}

TEST_F(PvschedctlMonitorTest, UnknownVmIsRefusedByWhatShowsVcpus) {
  auto connection = ConnectAndBind();
  for (const char* command : {"vcpu list", "stats", "top -n 1 -d 0.1", "trace -s 1"}) {
    int status = 0;
    daemon_.Ctl(std::string(command) + " --vm tset-vm 2>" + daemon_.path("error"), &status);
    EXPECT_EQ(status, 1) << command;
    EXPECT_THAT(TextOf(daemon_.path("error")), HasSubstr("no VM 'tset-vm' runs here")) << command;
  }
  EXPECT_EQ(daemon_.Ctl("vcpu list --vm test-vm").size(), 2u);
  EXPECT_EQ(daemon_.Ctl("vcpu list --vm tset-vm --future").size(), 0u);
  EXPECT_EQ(daemon_.Ctl("stats --vm test-vm")["vcpus"].size(), 2u);
  EXPECT_EQ(daemon_.Ctl("stats --vm tset-vm --future")["vcpus"].size(), 0u);
}

TEST_F(PvschedctlMonitorTest, FullDiskEndsATraceToStandardOutput) {
  auto connection = ConnectAndBind();
  ASSERT_TRUE(SpinsUntilThrottled());  // and recovers, and so on
  int status = 0;
  daemon_.Ctl("trace >/dev/full 2>/dev/null", &status);
  EXPECT_EQ(status, 1);
}

}  // namespace
}  // namespace pvsched
