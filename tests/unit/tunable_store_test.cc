// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/tunable_store.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/profiles.h"

namespace pvsched {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const TunableScope kHost = {};

TunableScope OfVm(const std::string& name) { return {.vm = name}; }
TunableScope OfUser(uid_t uid) { return {.uid = uid}; }

class TunableStoreTest : public testing::Test {
 protected:
  void Set(const TunableScope& scope, const char* name, const char* text) {
    const absl::Status status = store_.Set(scope, name, text);
    EXPECT_TRUE(status.ok()) << status;
  }
  int64_t OfHost(absl::string_view name) { return store_.ForHost()[*FindTunable(name)]; }
  int64_t Of(absl::string_view vm, uid_t uid, absl::string_view name) {
    return store_.ForVm(vm, uid)[*FindTunable(name)];
  }

  TunableStore store_;
};

TEST_F(TunableStoreTest, HostOnlyTunableIsRefusedForAVmAndAUser) {
  Set(kHost, "log-level", "warning");
  EXPECT_THAT(store_.Set(OfVm("a"), "log-level", "error").message(), HasSubstr("host only"));
  EXPECT_THAT(store_.Set(OfUser(7), "log-level", "error").message(), HasSubstr("host only"));
  EXPECT_EQ(OfHost("log-level"), 1);
  EXPECT_EQ(store_.Find(OfVm("a")), nullptr) << "a refused value leaves no section";
}

TEST_F(TunableStoreTest, HostUserAndVmOverrideEachOtherInThisOrder) {
  EXPECT_EQ(Of("a", 7, "max-rt-prio"), 8);
  Set(kHost, "max-rt-prio", "4");
  EXPECT_EQ(Of("a", 7, "max-rt-prio"), 4);
  Set(OfUser(7), "max-rt-prio", "5");
  EXPECT_EQ(Of("a", 7, "max-rt-prio"), 5);
  Set(OfVm("a"), "max-rt-prio", "6");
  store_.SetOwner("a", 7);
  EXPECT_EQ(Of("a", 7, "max-rt-prio"), 6);
  EXPECT_EQ(Of("b", 7, "max-rt-prio"), 5);
  EXPECT_EQ(Of("a", 8, "max-rt-prio"), 4) << "another user's VM of that name";
  EXPECT_EQ(Of("a", 7, "budget"), 700);
}

TEST_F(TunableStoreTest, NameThatADeviceChoosesDoesNotOverrideItsUser) {
  Set(OfUser(7), "max-rt-prio", "1");
  Set(OfVm("a"), "max-rt-prio", "20");
  EXPECT_EQ(Of("a", 7, "max-rt-prio"), 1);
  EXPECT_EQ(Of("a", 8, "max-rt-prio"), 20);
}

TEST_F(TunableStoreTest, OwnValuesOverrideTheProfileOfTheirScope) {
  ASSERT_TRUE(store_.SetProfile(kHost, "untrusted").ok());
  ASSERT_TRUE(store_.SetProfile(OfVm("a"), "trusted").ok());
  Set(OfVm("a"), "budget", "300");
  EXPECT_EQ(Of("b", 7, "budget"), 50);
  EXPECT_EQ(Of("b", 7, "max-rt-prio"), 1);
  EXPECT_EQ(Of("a", 7, "max-rt-prio"), 8);
  EXPECT_EQ(Of("a", 7, "budget"), 300);
  store_.DropValuesOfProfile(OfVm("a"));
  EXPECT_EQ(Of("a", 7, "budget"), 700);
}

TEST_F(TunableStoreTest, BuiltInProfilesBreakNoRuleWhateverTheHostHas) {
  Set(kHost, "window", "20");
  Set(kHost, "budget", "10");
  Set(kHost, "critical-budget", "10");
  for (const auto& [name, values] : BuiltInProfiles()) {
    ASSERT_TRUE(store_.SetProfile(OfVm("a"), name).ok());
    EXPECT_FALSE(store_.FindViolation().has_value()) << name;
  }
}

TEST_F(TunableStoreTest, UnknownProfileIsRefusedAndTheErrorListsTheProfiles) {
  store_.DefineProfile("audio");
  EXPECT_THAT(store_.SetProfile(OfVm("a"), "colour").message(),
              AllOf(HasSubstr("'colour'"), HasSubstr("audio, trusted, untrusted")));
}

TEST_F(TunableStoreTest, ViolationNamesTheTable) {
  Set(OfVm("a"), "budget", "900");
  EXPECT_FALSE(store_.FindViolation().has_value());
  Set(kHost, "window", "800");
  ASSERT_TRUE(store_.FindViolation().has_value());
  EXPECT_EQ(store_.FindViolation()->table, "[vm.a]");
  EXPECT_THAT(store_.FindViolation()->message, HasSubstr("must not exceed window"));
}

TEST_F(TunableStoreTest, ViolationOfAUserTogetherWithAVmIsFound) {
  Set(OfVm("a"), "budget", "1500");
  Set(OfVm("a"), "window", "2000");
  Set(OfUser(7), "window", "1000");
  ASSERT_TRUE(store_.FindViolation().has_value());
  EXPECT_EQ(store_.FindViolation()->table, "[vm.a]");
}

TEST_F(TunableStoreTest, ResetRestoresOneValueOrAllOfAScope) {
  Set(OfVm("a"), "budget", "300");
  const TunableStore file = store_;
  Set(OfVm("a"), "budget", "400");
  Set(OfVm("a"), "max-rt-prio", "3");
  Set(OfUser(7), "weight", "5");
  store_.Reset(OfVm("a"), *FindTunable("budget"), file);
  EXPECT_EQ(Of("a", 8, "budget"), 300);
  EXPECT_EQ(Of("a", 8, "max-rt-prio"), 3);
  store_.Reset(OfVm("a"), std::nullopt, file);
  store_.Reset(OfUser(7), *FindTunable("weight"), file);
  EXPECT_EQ(store_, file);
}

}  // namespace
}  // namespace pvsched
