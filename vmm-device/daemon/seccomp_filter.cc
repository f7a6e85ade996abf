// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/daemon/seccomp_filter.h"

#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/log/log.h"
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
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    SCMP_SYS(restart_syscall),
    // The VMM, pvschedd, systemd.
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(getsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(setsockopt),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(getpid),
    SCMP_SYS(getuid),
    SCMP_SYS(getgid),
    // Guest memory: checked and read, never mapped.
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(pread64),
    SCMP_SYS(close),
    // Events.
    SCMP_SYS(read),
    // The C library: memory, locks, time, signals, exit.
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(gettid),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_yield),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

// Handles SIGSYS. Uses only async-signal-safe functions and allowed calls.
void OnForbiddenCall(int, siginfo_t* info, void*) {
  char digits[16];
  char* p = digits + sizeof(digits);
  unsigned call = static_cast<unsigned>(info->si_syscall);
  do {
    *--p = static_cast<char>('0' + call % 10);
    call /= 10;
  } while (call > 0);
  const auto print = [](const char* text, size_t size) { (void)!write(STDERR_FILENO, text, size); };
  const auto print_text = [&](const char* text) { print(text, strlen(text)); };
  print_text("pvsched-device: seccomp forbids system call ");
  print(p, static_cast<size_t>(digits + sizeof(digits) - p));
  print_text(", exiting; --no-seccomp runs without the filter\n");
  _exit(1);
}

// Rules that a filter gets, until one fails.
class Rules {
 public:
  explicit Rules(scmp_filter_ctx filter) : filter_(filter) {}

  template <typename... Conditions>
  void Allow(int call, Conditions... conditions) {
    if (error_ != 0) return;
    error_ = seccomp_rule_add(filter_, SCMP_ACT_ALLOW, call, sizeof...(conditions), conditions...);
  }
  int error() const { return error_; }  // 0 or a negative errno value

 private:
  scmp_filter_ctx const filter_;
  int error_ = 0;
};

scmp_datum_t Datum(int value) { return static_cast<scmp_datum_t>(value); }

void AddConditionalRules(Rules& rules, const SeccompOptions& options) {
  // Anonymous memory without PROT_EXEC, and UNIX sockets.
  rules.Allow(SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
              SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
  rules.Allow(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
  // Abseil names its anonymous memory.
  rules.Allow(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA));
  for (const unsigned command : {F_GETFL, F_GET_SEALS}) {
    rules.Allow(SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, command));
  }
  // abort(), and no signal to another process. OnForbiddenCall() stays.
  rules.Allow(SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, Datum(getpid())));
  rules.Allow(SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_EQ, SIGABRT));
  // The log. Guest memory is open for writing, but is not written.
  for (const int call : {SCMP_SYS(write), SCMP_SYS(writev)}) {
    rules.Allow(call, SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO));
  }
  if (options.has_socket_file) {
    rules.Allow(SCMP_SYS(unlink));
    rules.Allow(SCMP_SYS(unlinkat));
  }
  if (options.reply_pipe >= 0) {
    rules.Allow(SCMP_SYS(write), SCMP_A0(SCMP_CMP_EQ, Datum(options.reply_pipe)));
    rules.Allow(SCMP_SYS(splice));
    rules.Allow(SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONREAD));
  }
}

}  // namespace

absl::Status ApplySeccompFilter(const SeccompOptions& options) {
  // The first rate-limited log line opens a file to read the clock's frequency,
  // which the filter forbids. So that line is logged before.
  LOG_EVERY_N_SEC(INFO, 1) << "applying the seccomp filter";

  struct sigaction action{};
  action.sa_sigaction = OnForbiddenCall;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGSYS, &action, nullptr) != 0) return ErrnoStatus(errno, "sigaction");

  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_TRAP),
                                                                 &seccomp_release);
  if (!filter) return absl::InternalError("seccomp_init failed");
  Rules rules(filter.get());
  for (const int call : kAllowed) rules.Allow(call);
  AddConditionalRules(rules, options);
  int error = rules.error();
  if (error == 0) error = seccomp_load(filter.get());
  if (error != 0) {
    return absl::InternalError(absl::StrCat("cannot apply the seccomp filter: ", strerror(-error),
                                            "; --no-seccomp runs without it"));
  }
  return absl::OkStatus();
}

}  // namespace pvsched
