// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/tunables.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

class TunableFile {
 public:
  explicit TunableFile(const std::string& text) : path_(testing::TempDir() + "tunables.toml") {
    std::ofstream(path_) << text;
  }
  ~TunableFile() { remove(path_.c_str()); }
  absl::StatusOr<TunableStore> Load() const { return TunableStore::FromFile(path_); }

 private:
  std::string path_;
};

int64_t Value(const TunableValues& values, absl::string_view name) {
  return values[*FindTunable(name)];
}

TEST(Tunables, DocumentedTableIsTheOneInTheSource) {
  std::ifstream file(PVSCHED_DOCS "/tunables.md");
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

TEST(Tunables, OutOfRangeIsRefusedWithTheBound) {
  const TunableInfo& info = TunableInfos()[*FindTunable("max-rt-prio")];
  for (const char* text : {"99", "-1", "8x", "", "1e3", "99999999999999999999"}) {
    const auto value = ParseTunable(info, text);
    EXPECT_THAT(value.status().message(), HasSubstr("0 to 98")) << text;
  }
}

TEST(Tunables, HostsOwnIsRefusedForAVm) {
  TunableStore store;
  EXPECT_TRUE(store.Set("", "log-level", "warning").ok());
  EXPECT_THAT(store.Set("a", "log-level", "error").message(), HasSubstr("the host's alone"));
  EXPECT_EQ(Value(store.ForHost(), "log-level"), 1);
}

TEST(Tunables, UnknownNameListsTheNames) {
  EXPECT_THAT(FindTunable("colour").status().message(), HasSubstr("urgent-memory"));
}

TEST(Tunables, VmsValueIsBeforeTheHostsAndTheHostsBeforeTheDefault) {
  TunableStore store;
  ASSERT_TRUE(store.Set("", "max-rt-prio", "4").ok());
  ASSERT_TRUE(store.Set("a", "max-rt-prio", "6").ok());
  EXPECT_EQ(Value(store.ForVm("a", 0), "max-rt-prio"), 6);
  EXPECT_EQ(Value(store.ForVm("b", 0), "max-rt-prio"), 4);
  EXPECT_EQ(Value(store.ForVm("a", 0), "budget"), 700);
}

TEST(Tunables, ChangeThatBreaksARuleForAnyoneChangesNothing) {
  TunableStore store;
  ASSERT_TRUE(store.Set("a", "budget", "900").ok());
  const absl::Status status = store.Set("", "window", "800");
  EXPECT_THAT(status.message(), HasSubstr("must not exceed window"));
  EXPECT_EQ(Value(store.ForHost(), "window"), 1000);
}

TEST(Tunables, FileGivesHostAndVmValues) {
  const auto store =
      TunableFile("[host]\nmode = \"observe\"\n[vm.a]\nuid = 7\nbudget = 100\n").Load();
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(Value(store->ForVm("a", 7), "budget"), 100);
  EXPECT_EQ(Value(store->ForVm("a", 8), "budget"), 700) << "another user's VM of that name";
  EXPECT_EQ(Value(store->ForVm("a", 8), "mode"), PVS_OBSERVE);
}

TEST(Tunables, FileErrorsNameTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"[host]\n\nbudget = 99999999\n", "tunables.toml:3: [host] budget"},
      {"[host]\ncolour = 1\n", "tunables.toml:2: [host] there is no tunable 'colour'"},
      {"[vm.a]\nbudget = 1.5\n", "tunables.toml:2: [vm.a] budget takes a number or a word"},
      {"[vm.a]\nuid = -1\n", "tunables.toml:2: [vm.a] uid"},
      {"budget = 1\n", "tunables.toml:1: 'budget' is neither [host] nor [vm.NAME]"},
      {"[vm]\na = 1\n", "tunables.toml:2: write [vm.NAME]"},
      {"[host\n", "tunables.toml:1"},
      {"[host]\nwindow = 100\n", "must not exceed window"},
  };
  for (const auto& [text, wanted] : cases) {
    EXPECT_THAT(TunableFile(text).Load().status().message(), HasSubstr(wanted)) << text;
  }
}

TEST(Tunables, MissingFileIsAnError) {
  EXPECT_FALSE(TunableStore::FromFile("/nowhere/pvsched.toml").ok());
}

TEST(Tunables, PolicyGetsNanoseconds) {
  const pvs_tunables policy = ToPolicy(DefaultTunables());
  EXPECT_EQ(policy.budget_ns, 700'000'000u);
  EXPECT_EQ(policy.inject_hold_ns, 1'000'000u);
  EXPECT_EQ(policy.max_policy, uint32_t{PVSCHED_POLICY_RR});
  EXPECT_EQ(policy.min_nice, 0);
}

}  // namespace
}  // namespace pvsched
