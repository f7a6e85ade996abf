// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_VMM_DEVICE_DAEMON_LISTENER_H_
#define PVSCHED_VMM_DEVICE_DAEMON_LISTENER_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// The socket that VMMs connect to. Not thread-safe.
class VfioUserListener {
 public:
  // A socket file that nobody listens on any more is replaced; AlreadyExists if
  // somebody does, or if something else is at `path`.
  static absl::StatusOr<std::unique_ptr<VfioUserListener>> Create(const std::string& path);

  // Removes the socket file, if it is still ours.
  ~VfioUserListener();
  VfioUserListener(const VfioUserListener&) = delete;
  VfioUserListener& operator=(const VfioUserListener&) = delete;

  int fd() const { return socket_.get(); }

  // A client that waits; Unavailable if it has left again.
  absl::StatusOr<UniqueFd> Accept();

 private:
  VfioUserListener(UniqueFd socket, const std::string& path, dev_t dev, ino_t ino)
      : socket_(std::move(socket)), path_(path), dev_(dev), ino_(ino) {}

  UniqueFd socket_;
  const std::string path_;
  const dev_t dev_;
  const ino_t ino_;
};

// A pidfd of the process that connected to `socket`.
absl::StatusOr<UniqueFd> PeerPidfd(int socket);

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_DAEMON_LISTENER_H_
