// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/admin_methods.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/admin_interface.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

std::string Page(const std::string& name) {
  std::ifstream file(std::string(PVSCHED_DOCS) + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Idl() {
  char* text = nullptr;
  constexpr auto kPlain = static_cast<sd_varlink_idl_format_flags_t>(0);
  EXPECT_GE(sd_varlink_idl_format_full(&vl_interface_io_pvsched_Admin, kPlain, /*cols=*/80, &text),
            0);
  const std::string idl = text != nullptr ? text : "";
  free(text);
  return idl;
}

TEST(AdminMethodsTest, EachMethodHasOneRowInItsPlaceAndADefinition) {
  size_t row = 0;
  for (const AdminMethodInfo& info : kAdminMethods) {
    EXPECT_EQ(static_cast<size_t>(info.method), row++) << info.name;
    EXPECT_EQ(InfoOf(info.method).name, info.name);
    EXPECT_THAT(Idl(), HasSubstr(absl::StrCat("method ", info.name, "("))) << info.name;
  }
  EXPECT_EQ(row, static_cast<size_t>(AdminMethod::kTrace) + 1);
}

TEST(AdminMethodsTest, ReadersReadWhatChangesNothing) {
  for (const AdminMethodInfo& info : kAdminMethods) {
    const bool reads = absl::StartsWith(info.name, "List") || absl::StartsWith(info.name, "Get") ||
                       info.method == AdminMethod::kSaveTunables;
    EXPECT_EQ(info.access == AdminAccess::kRead, reads) << info.name;
  }
}

TEST(AdminMethodsTest, TheGuideNamesWhatReadersMayUse) {
  const std::string page = Page("/how-to/monitor.md");
  for (const AdminMethodInfo& info : kAdminMethods) {
    if (info.access == AdminAccess::kRead) {
      EXPECT_THAT(page, HasSubstr(absl::StrCat("`", info.command, "`")));
    }
  }
}

TEST(AdminMethodsTest, TheReferenceHasTheInterfaceAndEachMethodsSocket) {
  const std::string page = Page("/reference/admin-protocol.md");
  EXPECT_THAT(page, HasSubstr(absl::StrCat("```varlink\n", Idl(), "```\n")));
  for (const AdminMethodInfo& info : kAdminMethods) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat(
                          "| `", info.name, "` | `", info.command, "` | ",
                          info.access == AdminAccess::kRead ? "both" : "admin socket", " |\n")));
  }
}

}  // namespace
}  // namespace pvsched
