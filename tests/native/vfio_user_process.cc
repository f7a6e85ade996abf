// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/native/vfio_user_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>
#include <utility>

#include "common/unix_socket.h"

namespace pvsched {

using std::chrono::milliseconds;

TemporaryDirectory::TemporaryDirectory() {
  char name[] = "/tmp/pvsched-test-XXXXXX";
  EXPECT_NE(mkdtemp(name), nullptr);
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

DeviceProcess::DeviceProcess(const std::vector<std::string>& args, const std::string& log,
                             const std::string& program, const std::function<void()>& prepare)
    : log_(log) {
  std::vector<std::string> all = {program};
  // A sanitizer's runtime needs more system calls than the filter allows.
  if (PVSCHED_IS_SANITIZED) all.emplace_back("--no-seccomp");
  all.insert(all.end(), args.begin(), args.end());
  std::vector<char*> argv;
  for (std::string& arg : all) argv.push_back(arg.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    const int fd = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    if (prepare) prepare();
    execv(argv[0], argv.data());
    _exit(126);
  }
}

DeviceProcess::~DeviceProcess() {
  if (Running()) Stop(SIGKILL);
}

bool DeviceProcess::Running() { return Wait(0) == -1; }

int DeviceProcess::Wait(int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + milliseconds(timeout_ms);
  while (pid_ > 0) {
    int status;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      pid_ = -1;
    } else if (std::chrono::steady_clock::now() >= deadline) {
      return -1;
    } else {
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  return exit_code_;
}

int DeviceProcess::Stop(int signal) {
  kill(pid_, signal);
  return Wait();
}

std::string DeviceProcess::Log() const {
  std::ifstream file(log_);
  return {std::istreambuf_iterator<char>(file), {}};
}

int DeviceProcess::CountFds() const {
  const std::filesystem::directory_iterator fds("/proc/" + std::to_string(pid_) + "/fd");
  return static_cast<int>(std::distance(begin(fds), end(fds)));
}

std::vector<pid_t> DeviceProcess::Children() const {
  const std::string pid = std::to_string(pid_);
  std::ifstream file("/proc/" + pid + "/task/" + pid + "/children");
  return {std::istream_iterator<pid_t>(file), {}};
}

int64_t DeviceProcess::Status(const std::string& key) const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1));
  }
  ADD_FAILURE() << "no " << key << " in /proc/" << pid_ << "/status";
  return -1;
}

UniqueFd ConnectTo(const std::string& path) {
  absl::StatusOr<UniqueFd> fd;
  Eventually([&] {
    fd = ConnectUnix(path, SOCK_STREAM);
    return fd.ok();
  });
  EXPECT_TRUE(fd.ok()) << fd.status();
  return fd.ok() ? *std::move(fd) : UniqueFd();
}

bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return condition();
}

}  // namespace pvsched
