// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/top_frame.h"

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

Json Vcpu(const std::string& vm, int pid, int id, uint64_t cpu_ms, uint64_t boosts = 0) {
  return {{"vm", vm},
          {"pid", pid},
          {"vcpu", id},
          {"state", "normal"},
          {"cpu_ns", cpu_ms * 1000000},
          {"boosted_ns", 0},
          {"boosts", boosts},
          {"interrupts", 0},
          {"events", 0},
          {"throttles", 1}};
}

Json Stats(const std::vector<Json>& vcpus) {
  return {{"actuator", {{"name", "agent"}}}, {"vms", 2}, {"vcpus", vcpus}};
}

// Two VMs: web with CPU use of 10 and 90 %, db with 50 %.
Json Frame() {
  const Json before = Stats({Vcpu("web", 20, 0, 0), Vcpu("web", 20, 1, 0), Vcpu("db", 10, 0, 0)});
  const Json after =
      Stats({Vcpu("web", 20, 0, 200), Vcpu("web", 20, 1, 1800), Vcpu("db", 10, 0, 1000, 8)});
  return TopFrame(before, after, 2.0, "host5");
}

std::vector<std::string> Lines(const Json& frame, const TopView& view) {
  return absl::StrSplit(TopText(ShapedTop(frame, view), view), '\n', absl::SkipEmpty());
}

// "VM/vCPU" in the order of the frame.
std::vector<std::string> Order(const TopView& view) {
  std::vector<std::string> order;
  const Json shaped = ShapedTop(Frame(), view);
  for (const Json& vcpu : shaped["vcpus"]) {
    order.push_back(vcpu["vm"].get<std::string>() + "/" + vcpu["vcpu"].dump());
  }
  return order;
}

TEST(TopFrameTest, RatesArePerSecondOfTheRealInterval) {
  const Json frame = Frame();
  EXPECT_EQ(frame["format"], 1);
  EXPECT_EQ(frame["host"], "host5");
  EXPECT_EQ(frame["registered_vcpus"], 3);
  EXPECT_DOUBLE_EQ(frame["vcpus"][1]["cpu_percent"].get<double>(), 90.0);
  EXPECT_DOUBLE_EQ(frame["vcpus"][2]["boosts_per_s"].get<double>(), 4.0);
}

TEST(TopFrameTest, CountersThatRestartAndNewVcpusHaveNoRate) {
  const Json frame = TopFrame(Stats({Vcpu("web", 20, 0, 500)}),
                              Stats({Vcpu("web", 20, 0, 100), Vcpu("web", 20, 1, 700)}), 1, "h");
  EXPECT_EQ(frame["vcpus"][0]["cpu_percent"], 0.0);
  EXPECT_EQ(frame["vcpus"][1]["cpu_percent"], 0.0);
}

TEST(TopFrameTest, VmsOfOneNameAreNotMixed) {
  const Json frame = TopFrame(Stats({Vcpu("web", 20, 0, 0), Vcpu("web", 21, 0, 700)}),
                              Stats({Vcpu("web", 20, 0, 100), Vcpu("web", 21, 0, 900)}), 1, "h");
  EXPECT_DOUBLE_EQ(frame["vcpus"][0]["cpu_percent"].get<double>(), 10.0);
  EXPECT_DOUBLE_EQ(frame["vcpus"][1]["cpu_percent"].get<double>(), 20.0);
}

TEST(TopFrameTest, SortsNumbersFromTheLargestAndNamesFromTheFirst) {
  EXPECT_THAT(Order({}), ElementsAre("db/0", "web/0", "web/1"));
  EXPECT_THAT(Order({.sort = "cpu"}), ElementsAre("web/1", "db/0", "web/0"));
  EXPECT_THAT(Order({.sort = "boosts"}), ElementsAre("db/0", "web/0", "web/1"));
}

TEST(TopFrameTest, FilterKeepsTheCountsOfTheHost) {
  EXPECT_THAT(Order({.vm = "web"}), ElementsAre("web/0", "web/1"));
  EXPECT_THAT(Order({.vm = "none"}), SizeIs(0));
  const std::vector<std::string> lines = Lines(Frame(), {.vm = "web"});
  EXPECT_EQ(lines[0], "host5: actuator agent, 2 VMs, 3 vCPUs, rates over 2.0 s, by vm, VM web");
  EXPECT_THAT(lines, SizeIs(4));
}

TEST(TopFrameTest, WithoutAWidthEachColumnIsThere) {
  const std::vector<std::string> lines = Lines(Frame(), {});
  EXPECT_THAT(lines[1], StartsWith("VM   PID  VCPU  STATE   CPU%  BOOSTED%  BOOSTS/S"));
  EXPECT_THAT(lines[1], EndsWith("THROTTLES"));
  EXPECT_THAT(lines[2], StartsWith("db   10   0     normal  50 "));
}

TEST(TopFrameTest, ColumnsThatDoNotFitAreLeftOutFromTheRight) {
  const std::string whole = Lines(Frame(), {})[1];
  for (size_t width = 1; width <= whole.size(); ++width) {
    for (const std::string& line : Lines(Frame(), {.width = width, .has_keys = true})) {
      ASSERT_LE(line.size(), width) << line;
    }
    const std::string heading = Lines(Frame(), {.width = width})[1];
    EXPECT_THAT(whole, StartsWith(heading));
    if (width < whole.size()) {
      EXPECT_THAT(heading, Not(HasSubstr("THROTTLES"))) << width;
    }
  }
  EXPECT_EQ(Lines(Frame(), {.width = whole.size()})[1], whole);
  EXPECT_THAT(Lines(Frame(), {.width = 30})[1], EndsWith("CPU%"));
}

TEST(TopFrameTest, LongNameLeavesRoomForTheNumbers) {
  const Json stats = Stats({Vcpu(std::string(80, 'x'), 20, 0, 0)});
  const Json frame = TopFrame(stats, stats, 1, "h");
  const std::string line = Lines(frame, {.width = 60})[2];
  EXPECT_THAT(line, StartsWith(std::string(19, 'x') + "+  20"));
  EXPECT_THAT(Lines(frame, {})[2], StartsWith(std::string(80, 'x') + "  20"));
}

TEST(TopFrameTest, VcpusBelowTheScreenAreCounted) {
  const std::vector<std::string> lines = Lines(Frame(), {.height = 5, .has_keys = true});
  ASSERT_THAT(lines, SizeIs(5));
  EXPECT_THAT(lines[2], StartsWith("db "));
  EXPECT_EQ(lines[3], "... 2 more vCPUs");
  EXPECT_THAT(lines[4], StartsWith("keys: q quit"));
  EXPECT_THAT(Lines(Frame(), {.height = 6, .has_keys = true}), SizeIs(6));
}

TEST(TopFrameTest, TextHasNoControlCharacters) {
  for (const char c : TopText(ShapedTop(Frame(), {}), {})) {
    EXPECT_TRUE(c == '\n' || (c >= ' ' && c < 127)) << static_cast<int>(c);
  }
}

TEST(TopFrameTest, NamesOfVmsAreThereOnce) {
  EXPECT_THAT(TopVms(Frame()), ElementsAre("db", "web"));
}

}  // namespace
}  // namespace pvsched
