// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/account_names.h"

#include <string>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

TEST(AccountNames, NameAndNumberGiveTheId) {
  EXPECT_EQ(FindUser("root").value(), 0u);
  EXPECT_EQ(FindGroup("root").value(), 0u);
  EXPECT_EQ(FindUser("64055").value(), 64055u) << "no account needs to exist";
  EXPECT_EQ(FindGroup("4294967294").value(), 4294967294u);
}

TEST(AccountNames, NumberThatIsNoIdIsRefused) {
  for (const std::string text : {"4294967295", "99999999999", "-1", "", "+-"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(FindUser(text).status())) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(FindGroup(text).status())) << text;
  }
}

TEST(AccountNames, UnknownNameIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(FindUser("no such user").status()));
  EXPECT_TRUE(absl::IsNotFound(FindGroup("no such group").status()));
}

}  // namespace
}  // namespace pvsched
