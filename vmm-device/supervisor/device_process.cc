// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/supervisor/device_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "common/errno_status.h"
#include "common/pidfd.h"

namespace pvsched {

absl::StatusOr<DeviceProcess> StartDeviceProcess(const std::vector<std::string>& command,
                                                 const std::vector<int>& fds) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, "fork");
  if (pid == 0) {
    // Two processes must not continue one session.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int fd : fds) fcntl(fd, F_SETFD, 0);
    // A device has nothing to say to systemd.
    unsetenv("NOTIFY_SOCKET");
    unsetenv("FDSTORE");
    execv(argv[0], argv.data());
    _exit(127);
  }
  // The pid stays the child's until it is waited for.
  DeviceProcess process{.pid = pid, .pidfd = UniqueFd(pidfd_open(pid, 0))};
  if (process.pidfd) return process;
  const int error = errno;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return ErrnoStatus(error, "pidfd_open");
}

int ReapDeviceProcess(const DeviceProcess& process) {
  int status = 0;
  while (waitpid(process.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace pvsched
