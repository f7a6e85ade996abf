// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Runs pvsched-boot on this machine's kernel and KVM, with a VMM whose guest makes a known
// number of exits of each kind.

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <regex>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/kvm_trace_check.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/boot-trace/recorder.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class BootTest : public testing::Test {
 protected:
  void SetUp() override {
    // Skip what this host cannot run; fail if its kernel rejects the programs.
    if (absl::Status can = CheckCanTrace("pvsched-boot"); !can.ok()) GTEST_SKIP() << can.message();
    const auto recorder = Recorder::Load(0x80, 0x5a);
    ASSERT_TRUE(recorder.ok()) << recorder.status();
  }

  // Returns pvsched-boot's exit status; its standard output and error go to output_.
  int Boot(const std::string& arguments) {
    output_.clear();
    FILE* pipe = popen(absl::StrCat(PVSCHED_BOOT_PATH, " ", arguments, " 2>&1").c_str(), "r");
    char chunk[4096];
    for (size_t size; (size = fread(chunk, 1, sizeof(chunk), pipe)) > 0;)
      output_.append(chunk, size);
    return WEXITSTATUS(pclose(pipe));
  }

  Json BootJson(const std::string& arguments) {
    EXPECT_EQ(Boot("--json " + arguments), 0) << output_;
    // Progress lines may precede the JSON on a busy machine.
    return Json::parse(output_.substr(output_.find('{')), nullptr, false);
  }

  std::string output_;
};

// Hardware KVM also reports exits that it handles itself, and adds some of its own, such as
// timer ticks.
void ExpectExits(const Json& run, int outs) {
  EXPECT_EQ(run["exits_to_vmm"]["by_reason"]["IO"], outs);
  EXPECT_EQ(run["exits_to_vmm"]["by_reason"]["HLT"], 1);
  if (run["exits"]["total"] == 0) return;
  const Json& reasons = run["exits"]["by_reason"];
  EXPECT_EQ(reasons.value("io", 0) + reasons.value("IO_INSTRUCTION", 0), outs) << reasons;
}

TEST_F(BootTest, CountsEveryExitOfTheGuest) {
  const Json report = BootJson("-n 3 -- " MINI_VMM_PATH " 1000 500 0");
  const Json& runs = report["commands"][0]["runs"];
  ASSERT_EQ(runs.size(), 3u);
  for (const Json& run : runs) ExpectExits(run, 1502);
}

// Counts like `perf stat -e kvm:kvm_pio`, for this process and its future children.
UniqueFd OpenPerfCounter() {
  int id = 0;
  std::ifstream("/sys/kernel/tracing/events/kvm/kvm_pio/id") >> id;
  perf_event_attr attr = {};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.config = static_cast<uint64_t>(id);
  attr.inherit = 1;
  return UniqueFd(static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0)));
}

// A BPF program on a tracepoint can hide its events from perf.
TEST_F(BootTest, PerfCountsTheSameEventsConcurrently) {
  const UniqueFd perf = OpenPerfCounter();
  if (!perf) GTEST_SKIP() << "perf_event_open: " << strerror(errno);
  BootJson("-- " MINI_VMM_PATH " 200 100");
  uint64_t count = 0;
  ASSERT_EQ(read(perf.get(), &count, sizeof(count)), static_cast<ssize_t>(sizeof(count)));
  EXPECT_EQ(count, 302u);
}

TEST_F(BootTest, ExitsOverTimeSumUpToTheTotal) {
  const Json report = BootJson("-- " MINI_VMM_PATH " 300 300");
  const Json& run = report["commands"][0]["runs"][0];
  int sum = 0;
  for (const auto& [reason, points] : run["over_time"].items()) {
    for (const Json& point : points) sum += point[1].get<int>();
  }
  const int exits = run["exits"]["total"];
  EXPECT_EQ(sum, exits != 0 ? exits : run["exits_to_vmm"]["total"].get<int>());
}

TEST_F(BootTest, TracesTheVmmThroughItsWrappers) {
  const Json report = BootJson("-- timeout 60 sh -c 'true; (sh -c \"sleep 0.3; exec " MINI_VMM_PATH
                               " 100 50\"); :'");
  const Json& run = report["commands"][0]["runs"][0];
  EXPECT_EQ(run["vmms"], 1);
  ExpectExits(run, 152);
  EXPECT_LT(run["ms"]["exec_to_vcpu_runs"], 250)
      << "must start at the VMM's exec, not at the wrappers'";
}

TEST_F(BootTest, DoesNotCountExitsOfOtherVms) {
  FILE* other = popen(MINI_VMM_PATH " 20000 1 0", "r");
  const Json report = BootJson("-- " MINI_VMM_PATH " 200 100");
  ExpectExits(report["commands"][0]["runs"][0], 302);
  pclose(other);
}

// The VMM measures the same step with its own clock and prints it.
TEST_F(BootTest, TimeIsWithinTwoPercentOfTheVmmsOwn) {
  double best = 1;
  for (int i = 0; i < 3 && best > 0.02; ++i) {
    const Json report = BootJson("--show-output -- " MINI_VMM_PATH " 1000 1 300");
    std::smatch own_text;
    ASSERT_TRUE(std::regex_search(output_, own_text, std::regex("([0-9.]+) ms\n"))) << output_;
    const double own = std::stod(own_text[1]);
    const double ours = report["commands"][0]["runs"][0]["ms"]["vcpu_runs_to_userspace"];
    best = std::min(best, std::abs(ours / own - 1));
  }
  EXPECT_LE(best, 0.02);
}

TEST_F(BootTest, EveryStepHasATime) {
  const Json report = BootJson("-- " MINI_VMM_PATH " 10 10");
  const Json& run = report["commands"][0]["runs"][0];
  for (const auto& [step, ms] : run["ms"].items()) {
    if (step == "tsc_zero_to_userspace" && run["exits"]["total"] == 0) {
      EXPECT_TRUE(ms.is_null()) << "a software KVM has no guest entry: " << ms;
    } else {
      EXPECT_TRUE(ms.is_number() && ms >= 0) << step << " " << ms;
    }
  }
}

TEST_F(BootTest, ComparesTwoCommandsRunByRun) {
  const Json report =
      BootJson("-n 3 --compare '" MINI_VMM_PATH " 200 1' '" MINI_VMM_PATH " 401 2'");
  EXPECT_NEAR(report["ratios"]["exits_to_vmm"]["median"].get<double>(), 406.0 / 204.0, 1e-9);
  EXPECT_GT(report["ratios"]["vcpu_runs_to_userspace"]["median"], 1);
}

TEST_F(BootTest, RunWithoutTheMarkIsMeasured) {
  ASSERT_EQ(Boot("--value 0x11 -- " MINI_VMM_PATH " 10 10"), 0);
  EXPECT_THAT(output_, HasSubstr("did not write the mark to port 0x80"));
}

TEST_F(BootTest, WithAnyValueTheFirstWriteIsTheMark) {
  const Json any = BootJson("--value any -- " MINI_VMM_PATH " 1 1 50000");
  const Json mark = BootJson("-- " MINI_VMM_PATH " 1 1 50000");
  const auto ms = [](const Json& report) {
    return report["commands"][0]["runs"][0]["ms"]["vcpu_runs_to_userspace"].get<double>();
  };
  EXPECT_GT(ms(mark) - ms(any), 25)
      << "the mark comes one exit, a pause of 50 ms, after the first write";
}

TEST_F(BootTest, FailedCommandIsReportedWithItsOutput) {
  EXPECT_EQ(Boot("-- sh -c 'echo no such disk; exit 3'"), 1);
  EXPECT_THAT(output_, HasSubstr("'sh' ended with exit status 3"));
  EXPECT_THAT(output_, HasSubstr("no such disk"));
}

TEST_F(BootTest, CommandThatRunsNoGuestIsReported) {
  EXPECT_EQ(Boot("-- true"), 1);
  EXPECT_THAT(output_, HasSubstr("no guest ran"));
}

TEST_F(BootTest, MissingProgramIsReported) {
  EXPECT_EQ(Boot("-- no-such-vmm"), 1);
  EXPECT_THAT(output_, HasSubstr("cannot start 'no-such-vmm': No such file"));
}

TEST_F(BootTest, CommandLineNeedNotBeUtf8) {
  const Json report = BootJson("-- env NAME='\xff' " MINI_VMM_PATH " 10 5");
  EXPECT_EQ(report["commands"][0]["runs"].size(), 1u) << output_;
}

TEST_F(BootTest, WrongCommandLineExitsWithStatus2) {
  for (const char* arguments : {"", "-n 0 -- true", "--port 0x12345 -- true", "--compare true",
                                "--compare a b -- c", "--value 90z -- true", "--unknown -- true"}) {
    EXPECT_EQ(Boot(arguments), 2) << arguments << ": " << output_;
  }
}

TEST_F(BootTest, RefusesToRunWithoutRoot) {
  EXPECT_EQ(WEXITSTATUS(system("setpriv --reuid 65534 " PVSCHED_BOOT_PATH " -- true 2>/dev/null")),
            1);
  Boot("--version; setpriv --reuid 65534 " PVSCHED_BOOT_PATH " -- true");
  EXPECT_THAT(output_, HasSubstr("start it as root"));
}

TEST_F(BootTest, AnyStatusAcceptsAFailedCommand) {
  EXPECT_EQ(Boot("--any-status -- sh -c '" MINI_VMM_PATH " 10 10; exit 3'"), 0) << output_;
}

// The command exits before the VMM.
TEST_F(BootTest, WaitsForABackgroundVmm) {
  const Json report = BootJson("-- sh -c '" MINI_VMM_PATH " 500 100 1000 &'");
  ExpectExits(report["commands"][0]["runs"][0], 602);
  EXPECT_GT(report["commands"][0]["runs"][0]["ms"]["exec_to_end"], 500);
}

}  // namespace
}  // namespace pvsched
