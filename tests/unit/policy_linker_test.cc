// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What a policy may be linked with. Linking loads nothing and needs no privilege.
#include "host-policy/loader/policy_linker.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "common/libbpf_log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/loader/own_objects.h"

namespace pvsched {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status Link(const std::string& policy) {
  return LinkPolicy(HooksObject(), PVSCHED_POLICIES "/" + policy + ".bpf.o", policy).status();
}

TEST(PolicyLinker, PolicyMayUseFunctionsOfTheKernelAndItsOwnState) {
  EXPECT_TRUE(Link("uses_kernel").ok()) << Link("uses_kernel");
  EXPECT_TRUE(Link("second_state").ok()) << Link("second_state");
}

// Caps and budgets are in pvsched's maps.
TEST(PolicyLinker, WhatPvschedDefinesIsOutOfReach) {
  for (const auto& [policy, symbol] :
       {std::pair("reaches_map", "vm_tunables"), std::pair("reaches_variable", "pvs_binds"),
        std::pair("reaches_function", "decide")}) {
    const absl::Status status = Link(policy);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << policy << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(" uses ") + symbol));
  }
}

// Fields are appended, so a policy of an earlier pvschedd reads the same places.
TEST(PolicyLinker, PolicyReadsTheViewAsThePrograms) {
  EXPECT_TRUE(Link("earlier_view").ok()) << Link("earlier_view");
  for (const auto& [policy, reason] : {std::pair("moved_view", "the field event has another place"),
                                       std::pair("later_view", "the field mood is new")}) {
    const absl::Status status = Link(policy);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << policy << ": " << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(reason), HasSubstr("compile it")));
  }
}

TEST(PolicyLinker, NameThatPvschedHasIsToBeRenamed) {
  CaptureLibbpfLog();
  const absl::Status status = Link("same_name");
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("(slots)"), HasSubstr("rename")));
}

}  // namespace
}  // namespace pvsched
