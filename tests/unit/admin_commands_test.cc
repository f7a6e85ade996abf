// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/admin_commands.h"

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

TEST(AdminCommandsTest, EachCommandHasOneRowAndOneName) {
  std::set<AdminCommand> commands;
  for (const AdminCommandInfo& info : kAdminCommands) {
    EXPECT_TRUE(commands.insert(info.command).second) << info.name;
    EXPECT_EQ(FindAdminCommand(info.name), info.command);
  }
  EXPECT_EQ(commands.size(), static_cast<size_t>(AdminCommand::kTrace) + 1);
  EXPECT_EQ(FindAdminCommand(""), std::nullopt);
  EXPECT_EQ(FindAdminCommand("vm"), std::nullopt);
}

TEST(AdminCommandsTest, ReadersReadWhatChangesNothing) {
  for (const AdminCommandInfo& info : kAdminCommands) {
    const bool changes = absl::EndsWith(info.name, "set") || absl::EndsWith(info.name, "load") ||
                         info.command == AdminCommand::kTrace;
    EXPECT_EQ(IsReadCommand(info.name), !changes) << info.name;
  }
  EXPECT_FALSE(IsReadCommand("colour"));
}

TEST(AdminCommandsTest, TheGuideNamesWhatReadersMayUse) {
  std::ifstream file(PVSCHED_DOCS "/how-to/monitor.md");
  const std::string page(std::istreambuf_iterator<char>(file), {});
  for (const AdminCommandInfo& info : kAdminCommands) {
    if (info.access == AdminAccess::kRead) {
      EXPECT_THAT(page, HasSubstr(absl::StrCat("`", info.name, "`")));
    }
  }
}

}  // namespace
}  // namespace pvsched
