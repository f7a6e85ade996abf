// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

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
// another file. `journal` is its socket for entries.
std::string StderrOf(bool is_journal, const std::function<void()>& body,
                     const std::string& journal = "/nowhere") {
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
    LogToJournal(journal);
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

// A journal of the test's own, which receives entries.
class JournalEntryTest : public testing::Test {
 protected:
  void SetUp() override {
    char directory[] = "/tmp/pvsched-journal-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    auto journal = OpenJournal();
    ASSERT_TRUE(journal);
    journal_ = std::move(journal);
  }
  void TearDown() override {
    unlink(path().c_str());
    rmdir(directory_.c_str());
  }
  std::string path() const { return directory_ + "/socket"; }
  UniqueFd OpenJournal() const {
    UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path().copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) fd.reset();
    return fd;
  }
  std::string Stderr(const std::function<void()>& body) const {
    return StderrOf(true, body, path());
  }
  // The next entry; empty: there is none.
  std::string Entry() const {
    char buffer[4096];
    const ssize_t size = recv(journal_.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "";
  }

  UniqueFd journal_;

 private:
  std::string directory_;
};

TEST_F(JournalEntryTest, MessageAboutAVmHasItsNameAndItsVcpuAsFields) {
  EXPECT_EQ(Stderr([] {
              LOG(INFO) << "before";
              {
                const LogSubject vm("web1");
                LOG(WARNING) << "its device has disconnected";
                const LogSubject vcpu("web1", 3);
                LOG(ERROR) << "line 1\nline 2";
              }
              LOG(INFO) << "after";
            }),
            "<6>before\n<6>after\n");
  const std::string first = Entry();
  EXPECT_THAT(first, StartsWith("MESSAGE=its device has disconnected\nPRIORITY=4\n"));
  EXPECT_THAT(first, EndsWith("\nPVSCHED_VM=web1\n"));
  EXPECT_THAT(first, HasSubstr("\nSYSLOG_IDENTIFIER=common_test\n"));
  const std::string second = Entry();
  const std::string size("\x0d\0\0\0\0\0\0\0", 8);
  EXPECT_THAT(second, StartsWith("MESSAGE\n" + size + "line 1\nline 2\nPRIORITY=3\n"));
  EXPECT_THAT(second, EndsWith("\nPVSCHED_VM=web1\nPVSCHED_VCPU=3\n"));
  EXPECT_EQ(Entry(), "");
}

TEST_F(JournalEntryTest, OuterSubjectCountsAgainAfterAnInnerOne) {
  EXPECT_EQ(Stderr([] {
              const LogSubject outer("a");
              {
                const LogSubject inner("b");
              }
              LOG(INFO) << "one";
            }),
            "");
  EXPECT_THAT(Entry(), HasSubstr("PVSCHED_VM=a\n"));
}

TEST_F(JournalEntryTest, MessageGoesToStandardErrorIfTheJournalIsFullOrGone) {
  const auto log = [] {
    const LogSubject vm("web1");
    LOG(INFO) << "one";
  };
  std::string text;
  while ((text = Stderr(log)).empty()) {
  }
  EXPECT_EQ(text, "<6>one\n") << "full: nothing waits for it";
  journal_.reset();
  EXPECT_EQ(Stderr(log), "<6>one\n") << "gone";
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
