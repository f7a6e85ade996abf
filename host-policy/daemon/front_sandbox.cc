// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/front_sandbox.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {
namespace {

constexpr int kAllowed[] = {
    // The event loop.
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(poll),
    SCMP_SYS(restart_syscall),
    // Connections.
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(shutdown),
    SCMP_SYS(close),
    // Receivers.
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(alarm),
    SCMP_SYS(close_range),
    SCMP_SYS(getsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(waitid),
    // The C library: memory, locks, time, exit.
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sched_yield),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

constexpr uint64_t kNotOfFork = CLONE_THREAD | CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_NEWUSER |
                                CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                                CLONE_NEWUTS | CLONE_NEWCGROUP;

// 0 or a negative errno value.
int AddRules(scmp_filter_ctx filter) {
  int error = 0;
  const auto allow = [&](int call, auto... conditions) {
    if (error != 0) return;
    error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, sizeof...(conditions), conditions...);
  };
  for (const int call : kAllowed) allow(call);
  allow(SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
        SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
  allow(SCMP_SYS(socketpair), SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
  for (const unsigned command : {F_GET_SEALS, F_DUPFD_CLOEXEC}) {
    allow(SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, command));
  }
  for (const unsigned option : {PR_SET_PDEATHSIG, PR_SET_VMA}) {
    allow(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, option));
  }
  // fork(), but no thread and no namespace.
  allow(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, kNotOfFork, 0));
  for (const unsigned option : {SO_PASSCRED, SO_OOBINLINE}) {
    allow(SCMP_SYS(setsockopt), SCMP_A1(SCMP_CMP_EQ, SOL_SOCKET), SCMP_A2(SCMP_CMP_EQ, option));
  }
  allow(SCMP_SYS(write), SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO));
  return error;
}

absl::Status GiveUpCapabilities() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_capset, &header, none) != 0) {
    return ErrnoStatus(errno, "the front process cannot give up its capabilities");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status EnterFrontSandbox() {
  RETURN_IF_ERROR(GiveUpCapabilities());
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(
      seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release);
  if (!filter) return absl::InternalError("seccomp_init failed");
  int error = AddRules(filter.get());
  if (error == 0) error = seccomp_load(filter.get());
  if (error == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the front process cannot apply its seccomp filter: ", strerror(-error)));
}

}  // namespace pvsched
