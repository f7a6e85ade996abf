// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_USER_PROCESS_H_
#define PVSCHED_TESTS_NATIVE_USER_PROCESS_H_

#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "common/unique_fd.h"
#include "gtest/gtest.h"

namespace pvsched {

// Users that need no account.
inline constexpr uid_t kAlice = 61001;
inline constexpr uid_t kBob = 61002;

// Why a test cannot start processes of other users; empty if it can.
inline std::string WhyNoUsers() {
  return geteuid() == 0 ? "" : "only root can start processes of other users";
}

// A process of another user, which lives until it is destroyed.
class UserProcess {
 public:
  // kBecomesRoot: after its body, as if it had executed a setuid program of root.
  enum class Kind { kOrdinary, kBecomesRoot };

  // Runs `body` in the process. What it leaves allocated stays there.
  UserProcess(uid_t uid, const std::function<std::string()>& body, Kind kind = Kind::kOrdinary) {
    int ends[2];
    if (pipe(ends) != 0) return;
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
      const uid_t saved = kind == Kind::kBecomesRoot ? 0 : uid;
      if (setgroups(0, nullptr) != 0 || setgid(uid) != 0 || setresuid(uid, uid, saved) != 0) {
        _exit(99);
      }
      prctl(PR_SET_DUMPABLE, 1);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(96);
      const std::string result = body();
      if (seteuid(saved) != 0) _exit(97);
      if (write(writer.get(), result.data(), result.size()) < 0) _exit(98);
      writer.reset();
      for (;;) pause();
    }
    writer.reset();
    char buffer[4096];
    ssize_t size;
    while ((size = read(reader.get(), buffer, sizeof(buffer))) > 0) {
      result_.append(buffer, static_cast<size_t>(size));
    }
  }
  ~UserProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  UserProcess(const UserProcess&) = delete;
  UserProcess& operator=(const UserProcess&) = delete;

  pid_t pid() const { return pid_; }
  // What `body` returned.
  const std::string& result() const { return result_; }

 private:
  pid_t pid_ = -1;
  std::string result_;
};

// A process that does nothing and has no files, and that ends with this one.
inline pid_t StartIdleProcess() {
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child != 0) return child;
  close_range(0, ~0u, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // it ended before the call
  for (;;) pause();
}

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_USER_PROCESS_H_
