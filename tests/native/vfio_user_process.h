// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_TESTS_NATIVE_VFIO_USER_PROCESS_H_
#define PVSCHED_TESTS_NATIVE_VFIO_USER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/unit/vfio_user_test_client.h"

namespace pvsched {

// A directory that is gone with its content in the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A running pvsched-device.
class DeviceProcess {
 public:
  // Starts it with `args`; its standard output and error go to `log`.
  DeviceProcess(const std::vector<std::string>& args, const std::string& log);
  // Kills it if it still runs.
  ~DeviceProcess();
  DeviceProcess(const DeviceProcess&) = delete;
  DeviceProcess& operator=(const DeviceProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();

  // The exit code; 128 + signal if it was killed, -1 if it goes on running.
  int Wait(int timeout_ms = 10'000);
  int Stop(int signal);

  std::string Log() const;
  int CountFds() const;
  // A number in /proc/PID/status.
  int64_t Status(const std::string& key) const;

 private:
  pid_t pid_ = -1;
  int exit_code_ = -1;
  std::string log_;
};

// Connects when somebody listens there, or gives up after ten seconds.
UniqueFd ConnectTo(const std::string& path);

// Waits until `condition` holds, for ten seconds at most.
bool Eventually(const std::function<bool()>& condition);

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_VFIO_USER_PROCESS_H_
