// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What a user who is not root sees of the real pvschedd.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/admin_methods.h"
#include "tests/native/admin_call.h"
#include "tests/native/host_daemon.h"

namespace pvsched {
namespace {

constexpr uid_t kUser = 54321;
constexpr gid_t kReaders = 12345;

class PvscheddReadSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoHost(); !why.empty()) GTEST_SKIP() << why;
    ASSERT_TRUE(daemon_.Start({"--read-socket-group", std::to_string(kReaders)}));
    ASSERT_EQ(chmod(daemon_.path("").c_str(), 0755), 0);
  }

  // The exit status of pvschedctl as a user of this group.
  int CtlAs(gid_t group, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"pvschedctl", "--socket", daemon_.path("admin.sock")});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    // Opened now: the user may not reach the file by its path.
    const int program = open(PVSCHEDCTL_PATH, O_RDONLY | O_CLOEXEC);
    const pid_t child = fork();
    if (child == 0) {
      if (setgroups(0, nullptr) != 0 || setgid(group) != 0 || setuid(kUser) != 0) _exit(99);
      fexecve(program, argv.data(), environ);
      _exit(98);
    }
    close(program);
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }

  HostDaemon daemon_;
};

TEST_F(PvscheddReadSocketTest, ReaderReadsAndChangesNothing) {
  struct stat file = {};
  ASSERT_EQ(stat(daemon_.path("read.sock").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0660u);
  EXPECT_EQ(file.st_gid, kReaders);
  for (const char* command : {"metrics", "doctor", "top -n 1 -d 0.1", "scheduler dump --json"}) {
    EXPECT_EQ(CtlAs(kReaders, absl::StrSplit(command, ' ')), 0) << command;
  }
  for (const AdminMethodInfo& info : kAdminMethods) {
    if (info.access == AdminAccess::kChange) continue;
    EXPECT_EQ(CtlAs(kReaders, absl::StrSplit(info.command, ' ')), 0) << info.command;
  }
  EXPECT_NE(CtlAs(kReaders, {"tunable", "set", "budget", "300"}), 0);
  EXPECT_NE(CtlAs(kReaders, {"policy", "reset"}), 0);
  EXPECT_NE(CtlAs(kReaders, {"trace", "--seconds", "1"}), 0);
}

TEST_F(PvscheddReadSocketTest, EachMethodIsReadOrNotPermitted) {
  for (const AdminMethodInfo& info : kAdminMethods) {
    AdminCall call(daemon_.path("read.sock"));
    const std::string error = call.Error(info.name, ValidParameters(info.method));
    EXPECT_EQ(error, info.access == AdminAccess::kRead ? "" : "io.pvsched.Admin.NotPermitted")
        << info.name;
  }
}

TEST_F(PvscheddReadSocketTest, OtherUserReadsNothing) {
  EXPECT_NE(CtlAs(kUser, {"stats"}), 0);
  EXPECT_NE(CtlAs(kUser, {"vm", "list"}), 0);
}

TEST_F(PvscheddReadSocketTest, ReadSocketItselfRefusesChanges) {
  const std::string socket = daemon_.path("read.sock");
  const auto rc = [&](const std::string& command) {
    return system(
        (std::string(PVSCHEDCTL_PATH) + " --socket " + socket + " " + command + " >/dev/null 2>&1")
            .c_str());
  };
  EXPECT_EQ(rc("tunable list"), 0);
  EXPECT_NE(rc("tunable set budget 300"), 0);
  EXPECT_NE(rc("trace --seconds 1"), 0);
  EXPECT_EQ(daemon_.Ctl("tunable get budget")["value"], "700");
}

}  // namespace
}  // namespace pvsched
