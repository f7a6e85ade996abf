// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// How the real pvschedd ends when its start-up fails.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/native/host_daemon.h"

namespace pvsched {
namespace {

// From now on the system call fails with `error`, in this process and in every
// program that it executes.
bool FailSystemCall(uint32_t number, uint32_t error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {.len = std::size(filter), .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// pvschedd's exit status when signalfd() fails with `error`; -1 if it does not end.
int ExitStatusWhenSignalfdFailsWith(int error) {
  char directory[] = "/tmp/pvschedd-start-XXXXXX";
  if (mkdtemp(directory) == nullptr) return -1;
  const pid_t child = fork();
  if (child == 0) {
    if (const int null = open("/dev/null", O_WRONLY); null >= 0) dup2(null, STDERR_FILENO);
    if (!FailSystemCall(SYS_signalfd4, static_cast<uint32_t>(error))) _exit(99);
    execl(PVSCHEDD_PATH, PVSCHEDD_PATH, "--state-dir", directory, "--actuator", "agent", nullptr);
    _exit(98);
  }
  int status = 0;
  if (!Eventually([&] { return waitpid(child, &status, WNOHANG) == child; })) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    status = -1;
  }
  std::filesystem::remove_all(directory);
  return status == -1 ? -1 : WEXITSTATUS(status);
}

TEST(PvscheddStartTest, TransientErrorAtStartUpEndsItWithStatusOne) {
  EXPECT_EQ(ExitStatusWhenSignalfdFailsWith(EAGAIN), 1);
  EXPECT_EQ(ExitStatusWhenSignalfdFailsWith(EINTR), 1);
}

TEST(PvscheddStartTest, DeviceSocketHasItsGroupAfterEachStart) {
  if (const std::string why = WhyNoHost(); !why.empty()) GTEST_SKIP() << why;
  HostDaemon daemon;
  struct stat st = {};
  for (int start = 0; start < 2; ++start) {
    ASSERT_TRUE(daemon.Start({"--device-socket-group", "12345", "--device-socket-mode", "0620"}));
    ASSERT_EQ(stat(daemon.path("device.sock").c_str(), &st), 0);
    EXPECT_EQ(st.st_gid, 12345u);
    EXPECT_EQ(st.st_mode & 07777, 0620u);
    ASSERT_EQ(stat(daemon.path("admin.sock").c_str(), &st), 0);
    EXPECT_EQ(st.st_gid, getegid());
    EXPECT_EQ(daemon.Stop(SIGTERM), 0);
  }
  ASSERT_TRUE(daemon.Start({"--device-socket-group", ""}));
  ASSERT_EQ(stat(daemon.path("device.sock").c_str(), &st), 0);
  EXPECT_EQ(st.st_gid, getegid());
}

}  // namespace
}  // namespace pvsched
