// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_READ_SOCKET_H_
#define PVSCHED_HOST_POLICY_CTL_READ_SOCKET_H_

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "common/paths.h"
#include "host-policy/daemon/admin_methods.h"

namespace pvsched {

// The socket for a request of this process: the admin socket, or the read socket
// beside it, if the admin socket is closed to this user and the request only
// reads.
inline std::string SocketFor(const std::string& admin_socket, AdminMethod method) {
  if (InfoOf(method).access != AdminAccess::kRead) return admin_socket;
  if (access(admin_socket.c_str(), W_OK) == 0 || errno != EACCES) return admin_socket;
  const std::string directory = std::filesystem::path(admin_socket).parent_path();
  const std::string read_socket = InDirectory(directory, kReadSocketName);
  return access(read_socket.c_str(), W_OK) == 0 ? read_socket : admin_socket;
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_READ_SOCKET_H_
