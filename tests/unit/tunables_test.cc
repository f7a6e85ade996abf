// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/tunables.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/tunable_store.h"

namespace pvsched {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The configuration in a file with this text.
absl::StatusOr<Config> Load(const std::string& text) {
  const std::string path = testing::TempDir() + std::to_string(getpid()) + "-tunables.toml";
  std::ofstream(path) << text;
  absl::StatusOr<Config> config = LoadConfig(path);
  remove(path.c_str());
  return config;
}

int64_t Value(const TunableValues& values, absl::string_view name) {
  return values[*FindTunable(name)];
}

TEST(Tunables, DocumentedTableIsTheTableOfTheSource) {
  const std::ifstream file(PVSCHED_DOCS "/tunables.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(), HasSubstr(TunablesAsMarkdown()))
      << "pvschedctl tunable list --markdown prints the table";
}

TEST(Tunables, DefaultsAreInTheirRanges) {
  for (const TunableInfo& info : TunableInfos()) {
    EXPECT_EQ(*ParseTunable(info, FormatTunable(info, info.default_value)), info.default_value);
  }
  EXPECT_TRUE(CheckTunables(DefaultTunables()).ok());
}

TEST(Tunables, ErrorOfAValueOutOfRangeNamesTheRange) {
  const TunableInfo& info = TunableInfos()[*FindTunable("max-rt-prio")];
  for (const char* text : {"99", "-1", "8x", "", "1e3", "99999999999999999999"}) {
    const auto value = ParseTunable(info, text);
    EXPECT_THAT(value.status().message(), HasSubstr("0 to 98")) << text;
  }
}

TEST(Tunables, HostOnlyTunableIsRefusedForAVm) {
  TunableStore store;
  EXPECT_TRUE(store.Set("", "log-level", "warning").ok());
  EXPECT_THAT(store.Set("a", "log-level", "error").message(), HasSubstr("for the host only"));
  EXPECT_EQ(Value(store.ForHost(), "log-level"), 1);
}

TEST(Tunables, ErrorOfAnUnknownNameListsTheNames) {
  EXPECT_THAT(FindTunable("colour").status().message(), HasSubstr("urgent-memory"));
}

TEST(Tunables, ValueOfTheVmPrecedesTheHostsAndTheHostsPrecedesTheDefault) {
  TunableStore store;
  ASSERT_TRUE(store.Set("", "max-rt-prio", "4").ok());
  ASSERT_TRUE(store.Set("a", "max-rt-prio", "6").ok());
  EXPECT_EQ(Value(store.ForVm("a", 0), "max-rt-prio"), 6);
  EXPECT_EQ(Value(store.ForVm("b", 0), "max-rt-prio"), 4);
  EXPECT_EQ(Value(store.ForVm("a", 0), "budget"), 700);
}

TEST(Tunables, ValueThatBreaksARuleForAVmIsRefusedAndChangesNothing) {
  TunableStore store;
  ASSERT_TRUE(store.Set("a", "budget", "900").ok());
  const absl::Status status = store.Set("", "window", "800");
  EXPECT_THAT(status.message(), HasSubstr("must not exceed window"));
  EXPECT_EQ(Value(store.ForHost(), "window"), 1000);
}

TEST(ConfigFile, TablesSetValuesOfTheHostAndOfAVm) {
  const auto config = Load("[host]\nmode = \"observe\"\n[vm.a]\nuid = 7\nbudget = 100\n");
  ASSERT_TRUE(config.ok()) << config.status();
  const TunableStore& store = config->tunables;
  EXPECT_EQ(Value(store.ForVm("a", 7), "budget"), 100);
  EXPECT_EQ(Value(store.ForVm("a", 8), "budget"), 700) << "another user's VM of that name";
  EXPECT_EQ(Value(store.ForVm("a", 8), "mode"), PVS_OBSERVE);
}

TEST(ConfigFile, RulesHoldForTheWholeFileWhateverItsOrder) {
  EXPECT_TRUE(Load("[host]\nbudget = 1900\nwindow = 2000\n").ok());
}

TEST(ConfigFile, ScxTableSetsParametersOfTheScheduler) {
  const ScxParamInfo& info = ScxParamInfos().front();
  const auto config = Load("[scx]\n" + info.name + " = " + std::to_string(info.maximum) + "\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->scx_params.at(info.name), info.maximum);
}

TEST(ConfigFile, BadScxParameterNamesTheLine) {
  const ScxParamInfo& info = ScxParamInfos().front();
  EXPECT_THAT(Load("[host]\n[scx]\ncolour = 1\n").status().message(),
              HasSubstr("tunables.toml:3: [scx] "));
  EXPECT_THAT(Load("[scx]\n" + info.name + " = " + std::to_string(info.maximum + 1) + "\n")
                  .status()
                  .message(),
              AllOf(HasSubstr("tunables.toml:2: [scx] "), HasSubstr(std::to_string(info.maximum))));
}

TEST(ConfigFile, ErrorNamesTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"[host]\n\nbudget = 99999999\n", "tunables.toml:3: [host] budget"},
      {"[host]\ncolour = 1\n", "tunables.toml:2: [host] there is no tunable 'colour'"},
      {"[vm.a]\nbudget = 1.5\n", "tunables.toml:2: [vm.a] budget needs an integer or a string"},
      {"[vm.a]\nuid = -1\n", "tunables.toml:2: [vm.a] uid"},
      {"[vm.a]\nlog-level = \"error\"\n", "tunables.toml:2: [vm.a] log-level is for the host only"},
      {"budget = 1\n", "tunables.toml:1: 'budget' is none of [host], [vm.NAME] and [scx]"},
      {"[vm]\na = 1\n", "tunables.toml:2: a VM's table is [vm.NAME]"},
      {"[vm.\"\"]\nbudget = 1\n", "tunables.toml:1: a VM's table is [vm.NAME]"},
      {"[host\n", "tunables.toml:1"},
      {"[host]\nwindow = 100\n", "must not exceed window"},
  };
  for (const auto& [text, wanted] : cases) {
    EXPECT_THAT(Load(text).status().message(), HasSubstr(wanted)) << text;
  }
}

TEST(ConfigFile, MissingFileIsAnError) { EXPECT_FALSE(LoadConfig("/nowhere/pvsched.toml").ok()); }

TEST(Tunables, PolicyGetsNanoseconds) {
  const pvs_tunables policy = ToPolicy(DefaultTunables());
  EXPECT_EQ(policy.budget_ns, 700'000'000u);
  EXPECT_EQ(policy.inject_hold_ns, 1'000'000u);
  EXPECT_EQ(policy.max_policy, uint32_t{PVSCHED_POLICY_RR});
  EXPECT_EQ(policy.min_nice, 0);
}

}  // namespace
}  // namespace pvsched
