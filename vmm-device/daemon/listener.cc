// SPDX-License-Identifier: Apache-2.0
#include "vmm-device/daemon/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace pvsched {
namespace {

UniqueFd MakeSocket() {
  return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Removes what an earlier process left. A process that still listens sees a
// client come and leave without a word, which it does not mind.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat st;
  if (lstat(path.c_str(), &st) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("looking at ", path));
  }
  if (!S_ISSOCK(st.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " is there and is not a socket"));
  }
  const UniqueFd probe = MakeSocket();
  if (!probe) return absl::ErrnoToStatus(errno, "socket");
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno != ECONNREFUSED) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is in use: each VM needs a socket of its own"));
  }
  if (unlink(path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("removing the stale socket ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<VfioUserListener>> VfioUserListener::Create(
    const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("socket path '", path, "' must have 1 to ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd = MakeSocket();
  if (!fd) return absl::ErrnoToStatus(errno, "socket");
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (bind(fd.get(), generic, sizeof(address)) != 0) {
    if (errno != EADDRINUSE) return absl::ErrnoToStatus(errno, absl::StrCat("binding ", path));
    if (absl::Status status = RemoveStale(path, address); !status.ok()) return status;
    if (bind(fd.get(), generic, sizeof(address)) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("binding ", path));
    }
  }
  struct stat st;
  if (stat(path.c_str(), &st) != 0 || listen(fd.get(), /*backlog=*/4) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("listening on ", path));
  }
  return absl::WrapUnique(new VfioUserListener(std::move(fd), path, st.st_dev, st.st_ino));
}

VfioUserListener::~VfioUserListener() {
  struct stat st;
  if (lstat(path_.c_str(), &st) == 0 && st.st_dev == dev_ && st.st_ino == ino_) {
    unlink(path_.c_str());
  }
}

absl::StatusOr<UniqueFd> VfioUserListener::Accept() {
  UniqueFd client(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return absl::UnavailableError(absl::StrCat("accept: ", strerror(errno)));
  return client;
}

absl::StatusOr<UniqueFd> PeerPidfd(int socket) {
  int pidfd = -1;
  socklen_t length = sizeof(pidfd);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0) return UniqueFd(pidfd);

  // Before 6.5 only the number is known, which may be another process's by now.
  ucred peer{};
  length = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return absl::ErrnoToStatus(errno, "SO_PEERCRED");
  }
  pidfd = static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0));
  if (pidfd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("pidfd_open of process ", peer.pid));
  }
  return UniqueFd(pidfd);
}

}  // namespace pvsched
