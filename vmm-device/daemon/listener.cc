// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/daemon/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/pidfd.h"
#include "common/unix_socket.h"

namespace pvsched {

absl::StatusOr<std::unique_ptr<VfioUserListener>> VfioUserListener::Create(
    const std::string& path) {
  absl::StatusOr<UniqueFd> socket = ListenUnix(path, SOCK_STREAM);
  if (absl::IsAlreadyExists(socket.status())) {
    return absl::AlreadyExistsError(
        absl::StrCat(socket.status().message(), "; each VM needs a socket of its own (--socket)"));
  }
  if (!socket.ok()) return socket.status();
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return ErrnoStatus(errno, absl::StrCat("stat of ", path));
  return absl::WrapUnique(new VfioUserListener(*std::move(socket), path, st.st_dev, st.st_ino));
}

VfioUserListener::~VfioUserListener() {
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

absl::StatusOr<UniqueFd> PeerPidfd(int socket) {
  int pidfd = -1;
  socklen_t length = sizeof(pidfd);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0) return UniqueFd(pidfd);

  // Kernels before 6.5 give the pid only. Another process can have it by now.
  ucred peer{};
  length = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return ErrnoStatus(errno, "SO_PEERCRED");
  }
  UniqueFd fd(pidfd_open(peer.pid, 0));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("pidfd_open of process ", peer.pid));
  return fd;
}

}  // namespace pvsched
