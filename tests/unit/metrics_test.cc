// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/metrics.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/admin_json.h"
#include "tests/unit/openmetrics_checker.h"

namespace pvsched {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

// As pvschedd replies to "stats".
Json Stats() {
  Vm vm;
  vm.name = "web";
  vm.pid = 41;
  Vcpu vcpu;
  vcpu.id = 3;
  vcpu.tid = 42;
  pvs_slot slot = {};
  slot.vcpu.state = PVS_BOOSTED;
  slot.vcpu.cpu_ns = 12'000'000'034;
  slot.vcpu.boosted_ns = 1'500'000'000;
  slot.vcpu.throttles = 7;
  slot.lost = 2;
  slot.wakeup_us[0][0] = 5;
  slot.wakeup_us[0][2] = 1;
  slot.wakeup_us[1][PVS_BUCKETS - 1] = 4;
  pvs_scx_counts counts = {};
  counts.preempted = 11;
  return {
      {"actuator", {{"name", "scx"}, {"calls", 9}, {"failures", 8}, {"deferred", 6}}},
      {"scheduler", {{"ends", 2}, {"counts", ScxCountsToJson(counts)}}},
      {"recursion_misses", 1},
      {"refusals", RefusalsToJson({.hello = 3})},
      {"vms", 1},
      {"wakeup_bounds_us", WakeupBoundsUs()},
      {"vcpus", Json::array({VcpuStatsToJson(vm, vcpu, slot)})},
  };
}

std::map<std::string, std::string> Checked(const Json& stats) {
  OpenMetricsChecker checker;
  EXPECT_EQ(checker.Check(MetricsText(stats, MetricsFormat::kOpenMetrics)), "");
  return checker.samples();
}

TEST(MetricsTest, TextIsOpenMetrics) {
  const auto samples = Checked(Stats());
  EXPECT_THAT(samples, Contains(Pair(R"(pvsched_actuator_info{name="scx"})", "1")));
  EXPECT_THAT(samples, Contains(Pair("pvsched_actuator_failures_total", "8")));
  EXPECT_THAT(samples, Contains(Pair(R"(pvsched_refusals_total{request="hello"})", "3")));
  EXPECT_THAT(samples, Contains(Pair("pvsched_scheduler_ends_total", "2")));
  EXPECT_THAT(samples,
              Contains(Pair(R"(pvsched_scheduler_events_total{event="preempted"})", "11")));
  EXPECT_THAT(samples, Contains(Pair(R"(pvsched_vcpus{state="boosted"})", "1")));
  EXPECT_THAT(samples, Contains(Pair(R"(pvsched_vcpus{state="unbound"})", "0")));
  EXPECT_THAT(samples, Contains(Pair(R"(pvsched_vcpu_throttles_total{vm="web",vcpu="3"})", "7")));
  EXPECT_THAT(samples, Contains(Pair(R"(pvsched_vcpu_lost_events_total{vm="web",vcpu="3"})", "2")));
}

TEST(MetricsTest, TimesAreInSeconds) {
  const auto samples = Checked(Stats());
  EXPECT_THAT(samples, Contains(Pair(R"(pvsched_vcpu_cpu_seconds_total{vm="web",vcpu="3"})",
                                     "12.000000034")));
  EXPECT_THAT(samples, Contains(Pair(R"(pvsched_vcpu_boosted_seconds_total{vm="web",vcpu="3"})",
                                     "1.500000000")));
}

TEST(MetricsTest, BucketsAreCumulativeAndTheLastIsUnbounded) {
  const auto samples = Checked(Stats());
  const auto bucket = [&](const std::string& boosted, const std::string& bound) {
    const auto it =
        samples.find(R"(pvsched_vcpu_wakeup_seconds_bucket{vm="web",vcpu="3",boosted=")" + boosted +
                     R"(",le=")" + bound + R"("})");
    return it != samples.end() ? it->second : "none";
  };
  EXPECT_EQ(bucket("false", "2e-06"), "5");
  EXPECT_EQ(bucket("false", "4e-06"), "5");
  EXPECT_EQ(bucket("false", "8e-06"), "6");
  EXPECT_EQ(bucket("false", "+Inf"), "6");
  EXPECT_EQ(bucket("true", "0.524288"), "0");
  EXPECT_EQ(bucket("true", "+Inf"), "4");
  EXPECT_EQ(bucket("true", "1.048576"), "none");
}

TEST(MetricsTest, LabelOfAHostileNameIsEscaped) {
  Json stats = Stats();
  stats["vcpus"][0]["vm"] = "a\"} 1\n\\";
  EXPECT_THAT(Checked(stats),
              Contains(Pair(R"(pvsched_vcpu_boosts_total{vm="a\"} 1\n\\",vcpu="3"})", "0")));
}

TEST(MetricsTest, VmsOfOneNameHaveTheirProcessInTheLabel) {
  Json stats = Stats();
  stats["vcpus"].push_back(stats["vcpus"][0]);
  stats["vcpus"][1]["pid"] = 43;
  const auto samples = Checked(stats);
  for (const std::string pid : {"41", "43"}) {
    EXPECT_THAT(samples, Contains(Pair("pvsched_vcpu_throttles_total{vm=\"web (process " + pid +
                                           ")\",vcpu=\"3\"}",
                                       "7")));
  }
}

TEST(MetricsTest, HostWithoutVmsHasMetrics) {
  Json stats = Stats();
  stats["vcpus"] = Json::array();
  EXPECT_THAT(Checked(stats), Contains(Pair("pvsched_vcpus{state=\"normal\"}", "0")));
}

TEST(MetricsTest, TextfileHasTheTypesOfThePrometheusTextFormat) {
  const std::string text = MetricsText(Stats(), MetricsFormat::kTextfile);
  EXPECT_THAT(text, HasSubstr("# TYPE pvsched_vcpu_boosts_total counter\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE pvsched_actuator_info gauge\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE pvsched_vcpu_wakeup_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("wakeup_seconds_count{vm=\"web\",vcpu=\"3\",boosted=\"false\"} 6\n"));
  EXPECT_THAT(text, Not(HasSubstr("# UNIT")));
  EXPECT_THAT(text, Not(HasSubstr("# EOF")));
}

TEST(MetricsTest, PageListsEachMetricAndNoOther) {
  std::set<std::string> documented;
  std::ifstream page(PVSCHED_DOCS "/reference/metrics.md");
  for (std::string line; std::getline(page, line);) {
    static const std::regex kRow(R"(\| `(pvsched_[a-z_]+)` \|.*)");
    std::smatch match;
    if (std::regex_match(line, match, kRow)) documented.insert(match[1]);
  }
  std::set<std::string> families;
  std::istringstream text(MetricsText(Stats(), MetricsFormat::kTextfile));
  for (std::string hash, keyword, name; text >> hash;) {
    if (hash == "#" && text >> keyword >> name && keyword == "TYPE") families.insert(name);
  }
  EXPECT_EQ(documented, families);
}

TEST(MetricsTest, CheckerRefusesWhatIsNotOpenMetrics) {
  const std::string good = "# TYPE a counter\n# HELP a b\na_total 1\n# EOF\n";
  EXPECT_EQ(OpenMetricsChecker().Check(good), "");
  for (const auto& [from, to] : {std::pair{"a_total 1", "a 1"},
                                 {"a_total 1", "a_total 1\na_total 2"},
                                 {"# EOF\n", ""},
                                 {"# HELP a b\n", ""},
                                 {"a_total 1", "a_total x"},
                                 {"a_total", "a_total{b=\"\"\"}"}}) {
    std::string bad = good;
    bad.replace(bad.find(from), strlen(from), to);
    EXPECT_NE(OpenMetricsChecker().Check(bad), "") << bad;
  }
}

TEST(ReplaceFileTest, FileIsReplacedAndReadable) {
  const std::string directory = testing::TempDir() + "metrics-" + std::to_string(getpid());
  std::filesystem::create_directory(directory);
  const std::string path = directory + "/pvsched.prom";
  ASSERT_TRUE(ReplaceFile(path, "old and longer\n").ok());
  ASSERT_TRUE(ReplaceFile(path, "new\n").ok());
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "new\n");
  struct stat info = {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0644u);
  const std::filesystem::directory_iterator files(directory);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1) << "only the file itself";
  EXPECT_FALSE(ReplaceFile(directory + "/none/pvsched.prom", "new\n").ok());
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace pvsched
