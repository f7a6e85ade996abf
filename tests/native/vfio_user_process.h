// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_VFIO_USER_PROCESS_H_
#define PVSCHED_TESTS_NATIVE_VFIO_USER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/unit/vfio_user_test_client.h"

namespace pvsched {

// A directory that the destructor removes with its content.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A running pvsched-device or pvsched-deviced.
class DeviceProcess {
 public:
  // Starts the program with `args`. Its output is appended to the file `log`. The new
  // process calls `prepare` before it executes the program.
  DeviceProcess(const std::vector<std::string>& args, const std::string& log,
                const std::string& program = PVSCHED_DEVICE_PATH,
                const std::function<void()>& prepare = {});
  // Kills the process if it still runs.
  ~DeviceProcess();
  DeviceProcess(const DeviceProcess&) = delete;
  DeviceProcess& operator=(const DeviceProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool Running();

  // The exit code; 128 + signal if killed; -1 if it still runs after the timeout.
  int Wait(int timeout_ms = 10'000);
  int Stop(int signal);

  std::string Log() const;
  int CountFds() const;
  // The processes that it has started and not waited for.
  std::vector<pid_t> Children() const;
  // The integer value of `key` in /proc/PID/status.
  int64_t Status(const std::string& key) const;

 private:
  pid_t pid_ = -1;
  int exit_code_ = -1;
  std::string log_;
};

// Connects as soon as a process listens on `path`. Fails after ten seconds.
UniqueFd ConnectTo(const std::string& path);

// Waits for `condition` for ten seconds at most. Returns whether it holds.
bool Eventually(const std::function<bool()>& condition);

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_VFIO_USER_PROCESS_H_
