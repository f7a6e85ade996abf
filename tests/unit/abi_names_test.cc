// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// Names of ABI values in the driver, in pvschedd and in the device, against the header.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "guest-driver/pvsched_names.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "pvsched_abi.h"
#include "tests/unit/abi_header.h"
#include "vmm-device/device.h"

namespace pvsched {
namespace {

struct Name {
  uint64_t value;
  std::string name;
  bool operator==(const Name&) const = default;
};
using Names = std::vector<Name>;

void PrintTo(const Name& name, std::ostream* out) { *out << name.value << " " << name.name; }

#define PVSCHED_TEST_NAMES(unused, ...) \
  Names { __VA_ARGS__ }

// The header's values with this prefix, by the lower-case rest of their names.
Names NamesOfHeader(const std::string& prefix) {
  Names names;
  for (AbiValue& value : AbiValues(prefix)) {
    std::transform(value.name.begin(), value.name.end(), value.name.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    names.push_back({value.value, value.name});
  }
  return names;
}

TEST(AbiNames, DriverHasEveryValueOfTheHeaderByItsName) {
  const Names policies = PVSCHED_POLICY_NAMES(PVSCHED_TEST_NAMES, );
  const Names grant_flags = PVSCHED_GRANT_NAMES(PVSCHED_TEST_NAMES, );
  const Names intent_flags = PVSCHED_INTENT_NAMES(PVSCHED_TEST_NAMES, );
  const Names features = PVSCHED_FEATURE_NAMES(PVSCHED_TEST_NAMES, );
  EXPECT_EQ(policies, NamesOfHeader("PVSCHED_POLICY_"));
  EXPECT_EQ(grant_flags, NamesOfHeader("PVSCHED_GRANT_"));
  EXPECT_EQ(intent_flags, NamesOfHeader("PVSCHED_INTENT_"));
  EXPECT_EQ(features, NamesOfHeader("PVSCHED_F_"));
}

TEST(AbiNames, DaemonNamesPoliciesAsTheDriverDoes) {
  const Names names = PVSCHED_POLICY_NAMES(PVSCHED_TEST_NAMES, );
  for (const Name& policy : names) EXPECT_EQ(PolicyName(policy.value), policy.name);
}

TEST(AbiNames, DeviceNamesResultsAsTheHeaderDoes) {
  const std::vector<AbiValue> results = AbiValues("PVSCHED_RESULT_");
  EXPECT_FALSE(results.empty());
  for (const AbiValue& result : results) EXPECT_EQ(ResultName(result.value), result.name);
}

}  // namespace
}  // namespace pvsched
