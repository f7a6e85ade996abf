// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/tunables.h"

#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/core/sched_params.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

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
  EXPECT_TRUE(CheckTunables(DefaultTunables(), PVS_ACTUATOR_RT_PRIO).ok());
}

TEST(Tunables, CapIsBelowTheThreadThatEndsBoosts) {
  TunableValues values = DefaultTunables();
  values[*FindTunable("max-rt-prio")] = 60;
  EXPECT_TRUE(CheckTunables(values, 61).ok());
  EXPECT_THAT(CheckTunables(values, 60).message(),
              HasSubstr("max-rt-prio (60) must be below the priority of the thread that ends "
                        "boosts (60)"));
}

TEST(Tunables, ErrorOfAValueOutOfRangeNamesTheRange) {
  const TunableInfo& info = TunableInfos()[*FindTunable("max-rt-prio")];
  for (const char* text : {"99", "-1", "8x", "", "1e3", "99999999999999999999"}) {
    const auto value = ParseTunable(info, text);
    EXPECT_THAT(value.status().message(), HasSubstr("0 to 98")) << text;
  }
}

TEST(Tunables, ErrorOfAnUnknownNameListsTheNames) {
  EXPECT_THAT(FindTunable("colour").status().message(), HasSubstr("urgent-memory"));
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
