// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DAEMON_OPTIONS_H_
#define PVSCHED_VMM_DEVICE_DAEMON_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "common/paths.h"
#include "vmm-device/daemon/listener.h"
#include "vmm-device/device.h"

namespace pvsched {

// What the command line of pvsched-device says.
struct DeviceOptions {
  std::string socket;
  int fd = -1;  // instead of `socket`: a listening or a connected socket
  VfioUserListener::Access socket_access;
  std::string control{kDefaultDeviceSocket};
  std::string name;
  uint32_t max_vcpus = Device::Options{}.max_vcpus;
  bool no_control = false;
  bool persist = false;
  uint32_t hello_timeout_ms = 10'000;
  bool seccomp = true;
  std::string handed_over;  // HandedOverFds, from pvsched-deviced; empty: none
  std::string log_level = "info";
};

// Parts that pvsched-deviced has too.
void AddSocketAccessOptions(CLI::App& app, VfioUserListener::Access& access);
void AddLogLevelOption(CLI::App& app, std::string& level);
void AddHelloTimeoutOption(CLI::App& app, uint32_t& timeout_ms);

// Makes `app` store what it parses in `options`, which must outlive it.
void AddDeviceOptions(CLI::App& app, DeviceOptions& options);

// Logs lines of `level` and above to standard error.
void InitializeDeviceLog(const std::string& level);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_OPTIONS_H_
