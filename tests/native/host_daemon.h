// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_TESTS_NATIVE_HOST_DAEMON_H_
#define PVSCHED_TESTS_NATIVE_HOST_DAEMON_H_

#include <sys/types.h>

#include <chrono>
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

// A real pvschedd with a state directory of its own.
class HostDaemon {
 public:
  HostDaemon();
  ~HostDaemon();

  // Returns when it accepts devices; false if it ended instead. What it says
  // goes to the file `log`, if there is one.
  bool Start(std::vector<std::string> more_arguments = {}, const std::string& log = {});
  // Returns its exit status, or 128 + the signal.
  int Stop(int signal);
  pid_t pid() const { return pid_; }

  // pvschedctl's answer to e.g. "vm list"; its exit status, if asked for.
  nlohmann::json Ctl(const std::string& arguments, int* status = nullptr);
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

 private:
  std::string directory_;
  pid_t pid_ = 0;
};

// A device's side of the control protocol.
class ControlConnection {
 public:
  // Negative: there is no connection.
  explicit ControlConnection(const std::string& path);
  bool connected() const { return static_cast<bool>(fd_); }

  pvsched_control_msg Message(pvsched_control_type type);
  // Returns the reply's errno, or -1 if the connection was closed instead.
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
