// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "absl/base/log_severity.h"
#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "absl/log/log.h"
#include "common/journal_log.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string StreamOf(int fd) {
  struct stat info = {};
  fstat(fd, &info);
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
}

// What `body` writes to standard error in a process whose standard error is a
// stream socket, as the journal's is. JOURNAL_STREAM names that socket, or
// another file.
std::string StderrOf(bool is_journal, const std::function<void()>& body) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return "no socketpair";
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    dup2(writer.get(), STDERR_FILENO);
    setenv("JOURNAL_STREAM", StreamOf(is_journal ? STDERR_FILENO : STDIN_FILENO).c_str(), 1);
    absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfo);
    absl::InitializeLog();
    LogToJournal();
    body();
    _exit(0);
  }
  writer.reset();
  std::string text;
  char buffer[4096];
  ssize_t size;
  while ((size = read(reader.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(size));
  }
  waitpid(child, nullptr, 0);
  return text;
}

TEST(JournalLogTest, EachSeverityHasItsPriorityAndNoSecondDate) {
  EXPECT_EQ(StderrOf(true,
                     [] {
                       LOG(INFO) << "one";
                       LOG(WARNING) << "two";
                       LOG(ERROR) << "three";
                     }),
            "<6>one\n<4>two\n<3>three\n");
}

TEST(JournalLogTest, VerboseMessageIsDebug) {
  EXPECT_EQ(StderrOf(true,
                     [] {
                       absl::SetGlobalVLogLevel(1);
                       VLOG(1) << "detail";
                     }),
            "<7>detail\n");
}

TEST(JournalLogTest, EachLineHasAPrefix) {
  EXPECT_EQ(StderrOf(true, [] { LOG(ERROR) << "verifier:\n\n<0>line 2\n"; }),
            "<3>verifier:\n<3><0>line 2\n");
}

TEST(JournalLogTest, LevelsBelowTheMinimumAreNotWritten) {
  EXPECT_EQ(StderrOf(true,
                     [] {
                       absl::SetMinLogLevel(absl::LogSeverityAtLeast::kWarning);
                       LOG(INFO) << "one";
                       LOG(WARNING) << "two";
                     }),
            "<4>two\n");
}

TEST(JournalLogTest, FatalErrorNamesItsPlaceOnce) {
  const std::string text = StderrOf(true, [] { LOG(FATAL) << "broken"; });
  EXPECT_THAT(text, StartsWith("<2>broken (common_journal_log_test.cc:"));
  EXPECT_EQ(text.find("broken"), text.rfind("broken"));
}

TEST(JournalLogTest, OtherStreamGetsAbseilsFormat) {
  const std::string text = StderrOf(false, [] { LOG(WARNING) << "two"; });
  EXPECT_THAT(text, StartsWith("W"));
  EXPECT_THAT(text, HasSubstr("common_journal_log_test.cc"));
  EXPECT_THAT(text, EndsWith("] two\n"));
}

TEST(JournalLogTest, ErrorThatEndsAProgramHasItsPriority) {
  EXPECT_EQ(StderrOf(true, [] { PrintError("pvschedd", "a\nb"); }), "<3>pvschedd: a\n<3>b\n");
  EXPECT_EQ(StderrOf(false, [] { PrintError("pvschedd", "a\nb"); }), "pvschedd: a\nb\n");
}

}  // namespace
}  // namespace pvsched
