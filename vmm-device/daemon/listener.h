// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_DAEMON_LISTENER_H_
#define PVSCHED_VMM_DEVICE_DAEMON_LISTENER_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// The socket that VMMs connect to. Not thread-safe.
class VfioUserListener {
 public:
  // Who may connect. The umask and the process's group decide what is not set.
  struct Access {
    std::optional<mode_t> mode;
    std::optional<gid_t> group;
  };

  // Replaces a socket file that no process listens on. AlreadyExists: a process
  // listens at `path`, or the file is not a socket.
  static absl::StatusOr<std::unique_ptr<VfioUserListener>> Create(const std::string& path,
                                                                  const Access& access);

  // Accepts on an inherited socket, whose file stays when the listener ends.
  static std::unique_ptr<VfioUserListener> FromFd(UniqueFd socket);

  // Removes the socket file, unless another process has replaced it.
  ~VfioUserListener();
  VfioUserListener(const VfioUserListener&) = delete;
  VfioUserListener& operator=(const VfioUserListener&) = delete;

  int fd() const { return socket_.get(); }

  // The next client; the error of accept4() if no client waits.
  absl::StatusOr<UniqueFd> Accept();

 private:
  VfioUserListener(UniqueFd socket, const std::string& path, dev_t dev, ino_t ino)
      : socket_(std::move(socket)), path_(path), dev_(dev), ino_(ino) {}

  UniqueFd socket_;
  const std::string path_;  // empty: inherited
  const dev_t dev_;         // of the socket file
  const ino_t ino_;
};

// Whether `socket` listens. InvalidArgument: it is no UNIX stream socket.
absl::StatusOr<bool> IsListening(int socket);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_LISTENER_H_
