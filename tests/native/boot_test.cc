// SPDX-License-Identifier: Apache-2.0
// pvsched-boot as it is, on this machine's kernel and KVM, with a guest whose exits
// are known one by one.

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
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/loader/host_check.h"
#include "nlohmann/json.hpp"
#include "tools/boot-trace/recorder.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class BootTest : public testing::Test {
 protected:
  void SetUp() override {
    // What the host lacks; a program that its kernel refuses is a failure.
    if (absl::Status can = CheckCanTrace("pvsched-boot"); !can.ok()) GTEST_SKIP() << can.message();
    const auto recorder = Recorder::Load(0x80, 0x5a);
    ASSERT_TRUE(recorder.ok()) << recorder.status();
  }

  // pvsched-boot's exit status; what it says, errors and all, into said_.
  int Boot(const std::string& arguments) {
    said_.clear();
    FILE* pipe = popen(absl::StrCat(PVSCHED_BOOT_PATH, " ", arguments, " 2>&1").c_str(), "r");
    char chunk[4096];
    for (size_t size; (size = fread(chunk, 1, sizeof(chunk), pipe)) > 0;) said_.append(chunk, size);
    return WEXITSTATUS(pclose(pipe));
  }

  Json BootJson(const std::string& arguments) {
    EXPECT_EQ(Boot("--json " + arguments), 0) << said_;
    // What is before it is progress, on a busy machine.
    return Json::parse(said_.substr(said_.find('{')), nullptr, false);
  }

  std::string said_;
};

// Where KVM runs on hardware the guest's own instructions make such exits, too, and
// others come on top: a timer's tick.
void ExpectExits(const Json& run, int outs) {
  EXPECT_EQ(run["exits_to_vmm"]["by_reason"]["IO"], outs);
  EXPECT_EQ(run["exits_to_vmm"]["by_reason"]["HLT"], 1);
  if (run["exits"]["total"] == 0) return;
  const Json& reasons = run["exits"]["by_reason"];
  EXPECT_EQ(reasons.value("io", 0) + reasons.value("IO_INSTRUCTION", 0), outs) << reasons;
}

TEST_F(BootTest, CountsEveryExitOfAKnownGuest) {
  const Json report = BootJson("-n 3 -- " MINI_VMM_PATH " 1000 500 0");
  const Json& runs = report["commands"][0]["runs"];
  ASSERT_EQ(runs.size(), 3u);
  for (const Json& run : runs) ExpectExits(run, 1502);
}

// As `perf stat -e kvm:kvm_pio` counts, of this process and all that it starts from here on.
UniqueFd PerfCount() {
  int id = 0;
  std::ifstream("/sys/kernel/tracing/events/kvm/kvm_pio/id") >> id;
  perf_event_attr attr = {};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.config = static_cast<uint64_t>(id);
  attr.inherit = 1;
  return UniqueFd(static_cast<int>(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0)));
}

// A BPF program can hide a tracepoint's events from perf.
TEST_F(BootTest, PerfCountsTheSameEventsMeanwhile) {
  const UniqueFd perf = PerfCount();
  if (!perf) GTEST_SKIP() << "perf_event_open: " << strerror(errno);
  BootJson("-- " MINI_VMM_PATH " 200 100");
  uint64_t count = 0;
  ASSERT_EQ(read(perf.get(), &count, sizeof(count)), static_cast<ssize_t>(sizeof(count)));
  EXPECT_EQ(count, 302u);
}

TEST_F(BootTest, ExitsOverTimeAddUp) {
  const Json report = BootJson("-- " MINI_VMM_PATH " 300 300");
  const Json& run = report["commands"][0]["runs"][0];
  int sum = 0;
  for (const auto& [reason, points] : run["over_time"].items()) {
    for (const Json& point : points) sum += point[1].get<int>();
  }
  const int exits = run["exits"]["total"];
  EXPECT_EQ(sum, exits != 0 ? exits : run["exits_to_vmm"]["total"].get<int>());
}

TEST_F(BootTest, FollowsTheVmmThroughItsWrappers) {
  const Json report = BootJson("-- timeout 60 sh -c 'true; (sh -c \"sleep 0.3; exec " MINI_VMM_PATH
                               " 100 50\"); :'");
  const Json& run = report["commands"][0]["runs"][0];
  EXPECT_EQ(run["vmms"], 1);
  ExpectExits(run, 152);
  EXPECT_LT(run["ms"]["exec_to_vcpu_runs"], 250) << "from the VMM's own exec, not the wrappers'";
}

TEST_F(BootTest, CountsNobodyElsesExits) {
  FILE* other = popen(MINI_VMM_PATH " 20000 1 0", "r");
  const Json report = BootJson("-- " MINI_VMM_PATH " 200 100");
  ExpectExits(report["commands"][0]["runs"][0], 302);
  pclose(other);
}

// The VMM itself prints the time that it saw, within 2 % of which ours must be.
TEST_F(BootTest, AgreesWithTheVmmsOwnClock) {
  double best = 1;
  for (int i = 0; i < 3 && best > 0.02; ++i) {
    const Json report = BootJson("--show-output -- " MINI_VMM_PATH " 1000 1 300");
    std::smatch own_text;
    ASSERT_TRUE(std::regex_search(said_, own_text, std::regex("([0-9.]+) ms\n"))) << said_;
    const double own = std::stod(own_text[1]);
    const double ours = report["commands"][0]["runs"][0]["ms"]["vcpu_runs_to_userspace"];
    best = std::min(best, std::abs(ours / own - 1));
  }
  EXPECT_LE(best, 0.02);
}

TEST_F(BootTest, EveryStepIsThere) {
  const Json report = BootJson("-- " MINI_VMM_PATH " 10 10");
  const Json& run = report["commands"][0]["runs"][0];
  for (const auto& [step, ms] : run["ms"].items()) {
    if (step == "tsc_zero_to_userspace" && run["exits"]["total"] == 0) {
      EXPECT_TRUE(ms.is_null()) << "a software KVM enters nothing: " << ms;
    } else {
      EXPECT_TRUE(ms.is_number() && ms >= 0) << step << " " << ms;
    }
  }
}

TEST_F(BootTest, ComparesTwoCommandsPairByPair) {
  const Json report =
      BootJson("-n 3 --compare '" MINI_VMM_PATH " 200 1' '" MINI_VMM_PATH " 401 2'");
  EXPECT_NEAR(report["ratios"]["exits_to_vmm"]["median"].get<double>(), 406.0 / 204.0, 1e-9);
  EXPECT_GT(report["ratios"]["vcpu_runs_to_userspace"]["median"], 1);
}

TEST_F(BootTest, GuestWithoutTheMarkIsStillMeasured) {
  ASSERT_EQ(Boot("--value 0x11 -- " MINI_VMM_PATH " 10 10"), 0);
  EXPECT_THAT(said_, HasSubstr("did not write the mark to port 0x80"));
}

TEST_F(BootTest, AnyValueTakesTheFirstWrite) {
  const Json any = BootJson("--value any -- " MINI_VMM_PATH " 1 1 50000");
  const Json mark = BootJson("-- " MINI_VMM_PATH " 1 1 50000");
  const auto ms = [](const Json& report) {
    return report["commands"][0]["runs"][0]["ms"]["vcpu_runs_to_userspace"].get<double>();
  };
  EXPECT_GT(ms(mark) - ms(any), 25) << "the mark is an exit, and so a pause of 50 ms, later";
}

TEST_F(BootTest, CommandThatFailsIsToldWithWhatItSaid) {
  EXPECT_EQ(Boot("-- sh -c 'echo no such disk; exit 3'"), 1);
  EXPECT_THAT(said_, HasSubstr("'sh' ended with exit status 3"));
  EXPECT_THAT(said_, HasSubstr("no such disk"));
}

TEST_F(BootTest, CommandThatIsNoVmmIsTold) {
  EXPECT_EQ(Boot("-- true"), 1);
  EXPECT_THAT(said_, HasSubstr("no guest ran"));
}

TEST_F(BootTest, MissingProgramIsTold) {
  EXPECT_EQ(Boot("-- no-such-vmm"), 1);
  EXPECT_THAT(said_, HasSubstr("cannot start 'no-such-vmm': No such file"));
}

TEST_F(BootTest, CommandMayBeAnyBytes) {
  const Json report = BootJson("-- env NAME='\xff' " MINI_VMM_PATH " 10 5");
  EXPECT_EQ(report["commands"][0]["runs"].size(), 1u) << said_;
}

TEST_F(BootTest, WrongCommandLineIsStatus2) {
  for (const char* arguments : {"", "-n 0 -- true", "--port 0x12345 -- true", "--compare true",
                                "--compare a b -- c", "--value 90z -- true", "--unknown -- true"}) {
    EXPECT_EQ(Boot(arguments), 2) << arguments << ": " << said_;
  }
}

TEST_F(BootTest, IsForRoot) {
  EXPECT_EQ(WEXITSTATUS(system("setpriv --reuid 65534 " PVSCHED_BOOT_PATH " -- true 2>/dev/null")),
            1);
  Boot("--version; setpriv --reuid 65534 " PVSCHED_BOOT_PATH " -- true");
  EXPECT_THAT(said_, HasSubstr("start it as root"));
}

TEST_F(BootTest, AnyStatusMayBeAGoodEnd) {
  EXPECT_EQ(Boot("--any-status -- sh -c '" MINI_VMM_PATH " 10 10; exit 3'"), 0) << said_;
}

// The command is over before the VMM is.
TEST_F(BootTest, WaitsForAVmmInTheBackground) {
  const Json report = BootJson("-- sh -c '" MINI_VMM_PATH " 500 100 1000 &'");
  ExpectExits(report["commands"][0]["runs"][0], 602);
  EXPECT_GT(report["commands"][0]["runs"][0]["ms"]["exec_to_end"], 500);
}

}  // namespace
}  // namespace pvsched
