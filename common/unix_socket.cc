// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "common/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {
namespace {

constexpr int kBacklog = 64;

absl::StatusOr<sockaddr_un> MakeAddress(const std::string& path) {
  RETURN_IF_ERROR(CheckUnixPath(path));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool Bind(int fd, const sockaddr_un& address, std::optional<mode_t> mode) {
  const mode_t old_mask = mode ? umask(0777 & ~*mode) : 0;
  const absl::Cleanup restore_mask = [&] {
    if (mode) umask(old_mask);
  };
  return bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

// Removes the socket file of a process that has ended. A process that still
// listens sees a connection that closes without a message.
absl::Status RemoveStaleSocket(const std::string& path, int type) {
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("lstat of ", path));
  if (!S_ISSOCK(st.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " exists and is not a socket"));
  }
  const absl::Status probe = ConnectUnix(path, type | SOCK_NONBLOCK).status();
  if (!absl::IsUnavailable(probe)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " is in use: a process listens on it"));
  }
  if (unlink(path.c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot remove the stale socket ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckUnixPath(const std::string& path) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("the socket's path '", path, "' must have 1 to ",
                                                   sizeof(sockaddr_un::sun_path) - 1, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> ConnectUnix(const std::string& path, int type) {
  ASSIGN_OR_RETURN(const sockaddr_un address, MakeAddress(path));
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd) return ErrnoStatus(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot connect to ", path));
  }
  return fd;
}

absl::StatusOr<UniqueFd> ListenUnix(const std::string& path, int type, std::optional<mode_t> mode) {
  ASSIGN_OR_RETURN(const sockaddr_un address, MakeAddress(path));
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ErrnoStatus(errno, "socket");
  bool is_bound = Bind(fd.get(), address, mode);
  if (!is_bound && errno == EADDRINUSE) {
    RETURN_IF_ERROR(RemoveStaleSocket(path, type));
    is_bound = Bind(fd.get(), address, mode);
  }
  if (!is_bound) return ErrnoStatus(errno, absl::StrCat("cannot create the socket ", path));
  if (listen(fd.get(), kBacklog) != 0) return ErrnoStatus(errno, absl::StrCat("listen on ", path));
  return fd;
}

Acceptor::Acceptor() : spare_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

UniqueFd Acceptor::Accept(int listener, int flags) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | flags));
  if (fd || (errno != EMFILE && errno != ENFILE)) return fd;
  LOG_EVERY_N_SEC(ERROR, 10) << "out of file descriptors: new connections are closed at once";
  spare_.reset();
  fd.reset(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | flags));
  // Another process got the host's last descriptor: do not spin.
  if (!fd) usleep(10'000);
  fd.reset();
  spare_.reset(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return fd;
}

}  // namespace pvsched
