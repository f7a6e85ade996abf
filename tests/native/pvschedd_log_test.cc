// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What the real programs write into systemd's journal.
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/native/host_daemon.h"

namespace pvsched {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::Not;

// The lines of pvschedd with these arguments, from its start to its end, if the
// file that its standard error goes to counts as the journal.
std::vector<std::string> JournalOf(const std::vector<std::string>& arguments) {
  HostDaemon daemon;
  const std::string path = daemon.path("log");
  std::ofstream(path).close();
  struct stat info = {};
  stat(path.c_str(), &info);
  setenv("JOURNAL_STREAM",
         (std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino)).c_str(), 1);
  if (daemon.Start(arguments, path)) daemon.Stop(SIGTERM);
  unsetenv("JOURNAL_STREAM");
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(PvscheddLogTest, LinesInTheJournalHaveAPriorityAndNoDate) {
  if (const std::string why = WhyNoHost(); !why.empty()) GTEST_SKIP() << why;
  const std::vector<std::string> lines = JournalOf({});
  EXPECT_THAT(lines, Not(IsEmpty()));
  EXPECT_THAT(lines, Each(testing::ContainsRegex("^<[346]>[^0-9]")));
}

TEST(PvscheddLogTest, ErrorThatEndsPvscheddHasThePriorityOfAnError) {
  const std::vector<std::string> lines = JournalOf({"--device-socket", "/nowhere/device.sock"});
  EXPECT_THAT(lines, Not(IsEmpty()));
  EXPECT_THAT(lines.back(), testing::StartsWith("<3>pvschedd: "));
}

}  // namespace
}  // namespace pvsched
