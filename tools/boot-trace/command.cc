// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tools/boot-trace/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pvsched {
namespace {

constexpr int kTickMs = 1000;
constexpr int kPauseMs = 50;
constexpr int kShownLines = 5;

// Runs in the child: async-signal-safe calls only.
[[noreturn]] void AwaitGoAndExec(char** argv, int go, int failed, int output) {
  char byte;
  while (read(go, &byte, 1) < 0 && errno == EINTR) {
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) dup2(null, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvp(argv[0], argv);
  const int error = errno;
  if (write(failed, &error, sizeof(error)) < 0) _exit(126);
  _exit(127);
}

absl::Status Errno(const char* what) { return absl::ErrnoToStatus(errno, what); }

}  // namespace

absl::StatusOr<Command> Command::Fork(std::vector<std::string> argv, bool shows_output) {
  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (std::string& argument : argv) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  int go[2], failed[2];
  if (pipe2(go, O_CLOEXEC) != 0) return Errno("pipe");
  const UniqueFd go_child(go[0]);
  Command command;
  command.go_ = UniqueFd(go[1]);
  if (pipe2(failed, O_CLOEXEC) != 0) return Errno("pipe");
  command.failed_ = UniqueFd(failed[0]);
  const UniqueFd failed_child(failed[1]);
  if (!shows_output) command.output_ = UniqueFd(memfd_create("output", MFD_CLOEXEC));
  command.name_ = argv[0];
  command.pid_ = fork();
  if (command.pid_ < 0) return Errno("fork");
  if (command.pid_ == 0) {
    setpgid(0, 0);
    close(go[1]);  // the read end sees EOF only when every write end is closed
    AwaitGoAndExec(arguments.data(), go[0], failed[1],
                   shows_output ? STDERR_FILENO : command.output_.get());
  }
  setpgid(command.pid_, command.pid_);
  return command;
}

Command::Command(Command&& other) noexcept
    : name_(std::move(other.name_)),
      pid_(std::exchange(other.pid_, 0)),
      has_ended_(other.has_ended_),
      status_(other.status_),
      go_(std::move(other.go_)),
      failed_(std::move(other.failed_)),
      output_(std::move(other.output_)) {}

Command::~Command() {
  if (pid_ <= 0 || has_ended_) return;
  kill(-pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

absl::Status Command::Exec() {
  go_.reset();
  int error = 0;
  // EOF: exec succeeded and closed the child's end.
  if (read(failed_.get(), &error, sizeof(error)) == sizeof(error)) {
    return absl::NotFoundError(
        absl::StrCat("cannot start '", name_, "': ", strerror(error), "; is it installed?"));
  }
  return absl::OkStatus();
}

absl::Status Command::WaitFor(pid_t pid, int signals, const std::function<void()>& tick) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return absl::OkStatus();  // the process has ended
  pollfd fds[] = {{process.get(), POLLIN, 0}, {signals, POLLIN, 0}};
  while (true) {
    const int ready = poll(fds, 2, kTickMs);
    if (ready < 0 && errno != EINTR) return Errno("poll");
    if (ready == 0) tick();
    if (ready > 0 && fds[1].revents != 0) return absl::CancelledError("interrupted");
    if (ready > 0 && fds[0].revents != 0) return absl::OkStatus();
  }
}

absl::Status Command::Pause(int signals, const std::function<void()>& tick) {
  pollfd fd = {signals, POLLIN, 0};
  if (poll(&fd, 1, kPauseMs) > 0) return absl::CancelledError("interrupted");
  tick();
  return absl::OkStatus();
}

absl::Status Command::Wait(int signals, const std::function<void()>& tick) {
  if (absl::Status status = WaitFor(pid_, signals, tick); !status.ok()) return status;
  if (waitpid(pid_, &status_, 0) != pid_) return Errno("waitpid");
  has_ended_ = true;
  return absl::OkStatus();
}

absl::Status Command::Result() const {
  if (WIFEXITED(status_) && WEXITSTATUS(status_) == 0) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("'", name_, "' ended with ",
                                         WIFEXITED(status_)
                                             ? absl::StrCat("exit status ", WEXITSTATUS(status_))
                                             : absl::StrCat("signal ", WTERMSIG(status_)),
                                         " (to accept it, use --any-status)", LastOutput()));
}

std::string Command::LastOutput() const {
  char text[4096];
  if (!output_) return "";
  const off_t end = lseek(output_.get(), 0, SEEK_END);
  const off_t start = std::max<off_t>(0, end - static_cast<off_t>(sizeof(text)));
  const ssize_t size = pread(output_.get(), text, sizeof(text), start);
  if (size <= 0) return "";
  std::vector<std::string> lines = absl::StrSplit(
      absl::StripSuffix(absl::string_view(text, static_cast<size_t>(size)), "\n"), '\n');
  if (lines.size() > kShownLines) lines.erase(lines.begin(), lines.end() - kShownLines);
  return absl::StrCat("; its last output:\n  ", absl::StrJoin(lines, "\n  "));
}

}  // namespace pvsched
