// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/native/host_daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/types/span.h"
#include "common/fd_passing.h"
#include "common/unix_socket.h"
#include "gtest/gtest.h"
#include "host-policy/loader/host_check.h"

namespace pvsched {

std::string WhyNoHost() {
  const absl::Status status = CheckHost();
  return status.ok() ? std::string() : std::string(status.message());
}

bool Eventually(const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

uint64_t StatusField(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1));
  }
  return 0;
}

HostDaemon::HostDaemon() {
  char directory[] = "/tmp/pvschedd-test-XXXXXX";
  directory_ = mkdtemp(directory);
}

HostDaemon::~HostDaemon() {
  // A sanitizer that finds an error sets another status.
  if (pid_ != 0) {
    EXPECT_EQ(Stop(SIGTERM), 0) << "pvschedd's exit status";
  }
  std::filesystem::remove_all(directory_);
}

bool HostDaemon::Start(std::vector<std::string> more_arguments, const std::string& log) {
  std::vector<std::string> arguments = {PVSCHEDD_PATH, "--state-dir", directory_, "--actuator",
                                        "agent"};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!log.empty() && freopen(log.c_str(), "w", stderr) == nullptr) _exit(127);
    execv(argv[0], argv.data());
    _exit(127);
  }
  bool ended = false;
  Eventually([&] {
    ended = waitpid(pid_, nullptr, WNOHANG) == pid_;
    return ended || ConnectUnix(path("admin.sock"), SOCK_STREAM).ok();
  });
  if (ended) pid_ = 0;
  return !ended;
}

int HostDaemon::Stop(int signal) {
  kill(pid_, signal);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

nlohmann::json HostDaemon::Ctl(const std::string& arguments, int* status) {
  const std::string command =
      std::string(PVSCHEDCTL_PATH) + " --json --socket " + path("admin.sock") + " " + arguments;
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  char buffer[4096];
  size_t size;
  while ((size = fread(buffer, 1, sizeof(buffer), pipe)) > 0) output.append(buffer, size);
  const int ended = pclose(pipe);
  if (status != nullptr) *status = WEXITSTATUS(ended);
  nlohmann::json json = nlohmann::json::parse(output, nullptr, false);
  if (!json.is_object() || json.size() != 2 || !json.contains("format")) return json;
  for (nlohmann::json& member : json) {
    if (member.is_array()) return std::move(member);
  }
  return json;
}

ControlConnection::ControlConnection(const std::string& path) {
  if (auto fd = ConnectUnix(path, SOCK_SEQPACKET); fd.ok()) fd_ = *std::move(fd);
}

pvsched_control_msg ControlConnection::Message(pvsched_control_type type) {
  pvsched_control_msg message = {};
  message.magic = PVSCHED_CONTROL_MAGIC;
  message.version = PVSCHED_CONTROL_VERSION;
  message.type = static_cast<uint16_t>(type);
  message.seq = ++seq_;
  return message;
}

int ControlConnection::Ask(const pvsched_control_msg& message, int passed_fd) {
  const absl::Span<const int> fds = absl::MakeConstSpan(&passed_fd, passed_fd >= 0 ? 1 : 0);
  if (!SendWithFds(fd_.get(), &message, sizeof(message), fds).ok()) return -1;
  pvsched_control_msg reply;
  if (recv(fd_.get(), &reply, sizeof(reply), 0) != sizeof(reply)) return -1;
  if (reply.seq != message.seq || reply.type != (message.type | PVSCHED_CONTROL_REPLY)) return -1;
  reason_ = reply.text;
  return reply.error;
}

int ControlConnection::Hello(pid_t pid, const std::string& name) {
  pvsched_control_msg message = Message(PVSCHED_CONTROL_HELLO);
  name.copy(message.text, sizeof(message.text) - 1);
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  return Ask(message, pidfd.get());
}

int ControlConnection::PreemptCount(uint32_t vcpu, int memory, uint64_t offset, uint32_t mask) {
  pvsched_control_msg message = Message(PVSCHED_CONTROL_PREEMPT_COUNT);
  message.vcpu_id = vcpu;
  message.offset = offset;
  message.mask = mask;
  return Ask(message, memory);
}

int ControlConnection::Register(uint32_t vcpu, int memory, uint64_t offset, uint32_t features) {
  pvsched_control_msg message = Message(PVSCHED_CONTROL_REGISTER);
  message.vcpu_id = vcpu;
  message.offset = offset;
  message.features = features;
  return Ask(message, memory);
}

int ControlConnection::Thread(uint32_t vcpu, pid_t tid) {
  pvsched_control_msg message = Message(PVSCHED_CONTROL_THREAD);
  message.vcpu_id = vcpu;
  message.tid = tid;
  return Ask(message);
}

int ControlConnection::Withdraw(uint32_t vcpu) {
  pvsched_control_msg message = Message(PVSCHED_CONTROL_WITHDRAW);
  message.vcpu_id = vcpu;
  return Ask(message);
}

}  // namespace pvsched
