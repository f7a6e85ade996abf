// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/front_sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

TEST(FrontSandboxTest, NoFileNoSocketNoNamespaceNoProgram) {
  const pid_t child = fork();
  if (child == 0) {
    if (!EnterFrontSandbox().ok()) _exit(1);
    if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0) _exit(2);
    if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0) _exit(3);
    if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0) >= 0) _exit(4);
    if (execl("/bin/true", "true", nullptr) == 0) _exit(5);
    if (kill(getppid(), 0) == 0) _exit(6);
    const pid_t receiver = fork();
    if (receiver == 0) _exit(0);
    _exit(receiver > 0 ? 0 : 7);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the call that is allowed, or is not";
}

}  // namespace
}  // namespace pvsched
