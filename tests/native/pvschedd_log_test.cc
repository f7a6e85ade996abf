// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What the real programs write into systemd's journal.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/native/host_daemon.h"

namespace pvsched {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The lines of pvschedd with these arguments, from its start to its end, if the
// file that its standard error goes to counts as the journal. `use` has it run.
std::vector<std::string> JournalOf(
    const std::vector<std::string>& arguments,
    const std::function<void(HostDaemon&)>& use = [](HostDaemon&) {}) {
  HostDaemon daemon;
  const std::string path = daemon.path("log");
  std::ofstream(path).close();
  struct stat info = {};
  stat(path.c_str(), &info);
  setenv("JOURNAL_STREAM",
         (std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino)).c_str(), 1);
  if (daemon.Start(arguments, path)) {
    use(daemon);
    daemon.Stop(SIGTERM);
  }
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

// The socket of a journal on a machine that has none.
class FakeJournal {
 public:
  FakeJournal() : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    std::error_code error;
    is_new_ = std::filesystem::create_directories(kDirectory, error);
    const sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    if (!is_new_ ||
        bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      fd_.reset();
    }
  }
  ~FakeJournal() {
    if (is_new_) std::filesystem::remove_all(kDirectory);
  }
  bool is_open() const { return static_cast<bool>(fd_); }
  std::vector<std::string> Entries() const {
    std::vector<std::string> entries;
    char buffer[4096];
    ssize_t size;
    while ((size = recv(fd_.get(), buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
      entries.emplace_back(buffer, static_cast<size_t>(size));
    }
    return entries;
  }

 private:
  static constexpr char kDirectory[] = "/run/systemd/journal";
  UniqueFd fd_;
  bool is_new_ = false;
};

TEST(PvscheddLogTest, LinesAboutAVmNameItInFieldsOfTheJournal) {
  if (const std::string why = WhyNoHost(); !why.empty()) GTEST_SKIP() << why;
  const FakeJournal journal;
  if (!journal.is_open()) GTEST_SKIP() << "this machine has a journal, or only root can make one";
  const std::vector<std::string> lines = JournalOf({}, [](HostDaemon& daemon) {
    ControlConnection device(daemon.path("device.sock"));
    EXPECT_EQ(device.Hello(getpid(), "web1"), 0);
    EXPECT_EQ(device.Thread(3, getpid()), ENOENT) << "it has no record";
  });
  EXPECT_THAT(lines, Each(testing::Not(HasSubstr("web1"))));
  const std::vector<std::string> entries = journal.Entries();
  ASSERT_THAT(entries, testing::SizeIs(3));
  EXPECT_THAT(entries, Each(HasSubstr("\nPVSCHED_VM=web1\n")));
  EXPECT_THAT(entries, Each(HasSubstr("\nSYSLOG_IDENTIFIER=pvschedd\n")));
  EXPECT_THAT(entries[0], testing::StartsWith("MESSAGE=VM web1: process "));
  EXPECT_THAT(entries[0], Not(HasSubstr("PVSCHED_VCPU")));
  EXPECT_THAT(entries[1], HasSubstr("\nPRIORITY=4\n"));
  EXPECT_THAT(entries[1], testing::EndsWith("\nPVSCHED_VCPU=3\n"));
  EXPECT_THAT(entries[2], HasSubstr("its device has disconnected"));
}

}  // namespace
}  // namespace pvsched
