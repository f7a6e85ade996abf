// SPDX-License-Identifier: Apache-2.0
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

namespace pvsched {
namespace {

absl::StatusOr<sockaddr_un> Address(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("the socket's path '", path, "' must have 1 to ",
                                                   sizeof(address.sun_path) - 1, " characters"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

absl::StatusOr<UniqueFd> ConnectUnix(const std::string& path, int type) {
  absl::StatusOr<sockaddr_un> address = Address(path);
  if (!address.ok()) return address.status();
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&*address), sizeof(*address)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot connect to ", path));
  }
  return fd;
}

Acceptor::Acceptor() : spare_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

UniqueFd Acceptor::Accept(int listener, int flags) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | flags));
  if (fd || (errno != EMFILE && errno != ENFILE)) return fd;
  LOG_EVERY_N_SEC(ERROR, 10) << "there is no descriptor left: connections are turned away";
  spare_.reset();
  fd = UniqueFd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | flags));
  // Others were faster to take the host's last one.
  if (!fd) usleep(10'000);
  fd.reset();
  spare_ = UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return fd;
}

absl::StatusOr<UniqueFd> ListenUnix(const std::string& path, int type, mode_t mode) {
  absl::StatusOr<sockaddr_un> address = Address(path);
  if (!address.ok()) return address.status();
  if (ConnectUnix(path, type).ok()) {
    return absl::AlreadyExistsError(absl::StrCat("somebody listens on ", path, " already"));
  }
  if (struct stat info; lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) {
      return absl::AlreadyExistsError(absl::StrCat(path, " is there and is no socket"));
    }
    unlink(path.c_str());
  }
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return absl::ErrnoToStatus(errno, "socket");
  const mode_t old_mask = umask(0777 & ~mode);
  const absl::Cleanup restore_mask = [old_mask] { umask(old_mask); };
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&*address), sizeof(*address)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create the socket ", path));
  }
  if (listen(fd.get(), 64) != 0) return absl::ErrnoToStatus(errno, "listen");
  return fd;
}

}  // namespace pvsched
