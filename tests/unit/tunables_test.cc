// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/tunables.h"

#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/tunable_store.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

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

TEST(Tunables, PolicyGetsNanoseconds) {
  const pvs_tunables policy = ToPolicy(DefaultTunables());
  EXPECT_EQ(policy.budget_ns, 700'000'000u);
  EXPECT_EQ(policy.inject_hold_ns, 1'000'000u);
  EXPECT_EQ(policy.max_policy, uint32_t{PVSCHED_POLICY_RR});
  EXPECT_EQ(policy.min_nice, 0);
}

}  // namespace
}  // namespace pvsched
