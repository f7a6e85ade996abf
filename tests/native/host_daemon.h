// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_HOST_DAEMON_H_
#define PVSCHED_TESTS_NATIVE_HOST_DAEMON_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "nlohmann/json.hpp"
#include "pvsched_control.h"

namespace pvsched {

// Why pvschedd cannot run on this machine; empty if it can.
std::string WhyNoHost();

// Polls `done` until it holds; false if it does not within 5 s.
bool Eventually(const std::function<bool()>& done);

// A number in /proc/PID/status; 0 if there is none.
uint64_t StatusField(pid_t pid, const std::string& name);

// A real pvschedd with its own state directory.
class HostDaemon {
 public:
  HostDaemon();
  ~HostDaemon();

  // Returns when pvschedd accepts devices; false if it has ended. Its standard
  // error goes to the file `log`, if that is not empty.
  bool Start(std::vector<std::string> more_arguments = {}, const std::string& log = {});
  // Returns the exit status, or 128 + the signal that ended it.
  int Stop(int signal);
  pid_t pid() const { return pid_; }

  // The JSON output of pvschedctl with these arguments, such as "vm list": of a command
  // that lists, the list without the object around it.
  nlohmann::json Ctl(const std::string& arguments, int* status = nullptr);
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

 private:
  std::string directory_;
  pid_t pid_ = 0;
};

// The device's end of the control protocol.
class ControlConnection {
 public:
  explicit ControlConnection(const std::string& path);
  bool connected() const { return static_cast<bool>(fd_); }

  pvsched_control_msg Message(pvsched_control_type type);
  // Returns the reply's errno; -1 if pvschedd closed the connection.
  int Ask(const pvsched_control_msg& message, int passed_fd = -1);
  const std::string& reason() const { return reason_; }

  int Hello(pid_t pid, const std::string& name);
  int Register(uint32_t vcpu, int memory, uint64_t offset, uint32_t features = 0);
  int PreemptCount(uint32_t vcpu, int memory, uint64_t offset, uint32_t mask);
  int Thread(uint32_t vcpu, pid_t tid);
  int Withdraw(uint32_t vcpu);

  int fd() const { return fd_.get(); }
  void Close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  uint32_t seq_ = 0;
  std::string reason_;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_HOST_DAEMON_H_
