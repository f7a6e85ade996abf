// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/daemon/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/unix_socket.h"

namespace pvsched {

absl::StatusOr<std::unique_ptr<VfioUserListener>> VfioUserListener::Create(const std::string& path,
                                                                           const Access& access) {
  absl::StatusOr<UniqueFd> socket = ListenUnix(path, SOCK_STREAM, access.mode);
  if (absl::IsAlreadyExists(socket.status())) {
    return absl::AlreadyExistsError(
        absl::StrCat(socket.status().message(), "; each VM needs a socket of its own (--socket)"));
  }
  if (!socket.ok()) return socket.status();
  if (access.group && chown(path.c_str(), static_cast<uid_t>(-1), *access.group) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return ErrnoStatus(error, absl::StrCat("cannot give ", path, " to group ", *access.group));
  }
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat of ", path));
  return absl::WrapUnique(new VfioUserListener(*std::move(socket), path, st.st_dev, st.st_ino));
}

std::unique_ptr<VfioUserListener> VfioUserListener::FromFd(UniqueFd socket) {
  return absl::WrapUnique(new VfioUserListener(std::move(socket), "", 0, 0));
}

VfioUserListener::~VfioUserListener() {
  if (path_.empty()) return;
  struct stat st;
  if (lstat(path_.c_str(), &st) == 0 && st.st_dev == dev_ && st.st_ino == ino_) {
    unlink(path_.c_str());
  }
}

absl::StatusOr<UniqueFd> VfioUserListener::Accept() {
  UniqueFd client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return ErrnoStatus(errno, "accept4");
  return client;
}

absl::StatusOr<bool> IsListening(int socket) {
  int domain = 0;
  int type = 0;
  int is_listening = 0;
  socklen_t length = sizeof(int);
  if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0 ||
      getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
      getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) != 0) {
    return ErrnoStatus(errno, absl::StrCat("descriptor ", socket));
  }
  if (domain != AF_UNIX || type != SOCK_STREAM) {
    return absl::InvalidArgumentError(
        absl::StrCat("descriptor ", socket, " is no UNIX stream socket"));
  }
  return is_listening != 0;
}

}  // namespace pvsched
