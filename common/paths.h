// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_PATHS_H_
#define PVSCHED_COMMON_PATHS_H_

#include <string>
#include <string_view>

#include "pvsched_control.h"

namespace pvsched {

// pvschedd's directory for sockets and state, unless --state-dir names another.
inline constexpr std::string_view kDefaultStateDir = "/run/pvsched";

// Sockets in that directory: for devices and for pvschedctl.
inline constexpr std::string_view kDeviceSocketName = "device.sock";
inline constexpr std::string_view kAdminSocketName = "admin.sock";
inline constexpr std::string_view kReadSocketName = "read.sock";

// pvsched-deviced's socket, which VMMs connect to.
inline constexpr std::string_view kDefaultVfioUserSocket = "/run/pvsched/vfio-user.sock";

inline std::string InDirectory(std::string_view directory, std::string_view name) {
  return std::string(directory).append("/").append(name);
}

// The ABI header names the device socket too, for VMMs in C.
inline constexpr std::string_view kDefaultDeviceSocket = PVSCHED_CONTROL_DEFAULT_PATH;
static_assert(kDefaultDeviceSocket.substr(0, kDefaultStateDir.size()) == kDefaultStateDir);
static_assert(kDefaultDeviceSocket[kDefaultStateDir.size()] == '/');
static_assert(kDefaultDeviceSocket.substr(kDefaultStateDir.size() + 1) == kDeviceSocketName);

}  // namespace pvsched

#endif  // PVSCHED_COMMON_PATHS_H_
