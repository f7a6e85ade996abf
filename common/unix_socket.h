// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_UNIX_SOCKET_H_
#define PVSCHED_COMMON_UNIX_SOCKET_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// InvalidArgument unless `path` fits into a sockaddr_un.
absl::Status CheckUnixPath(const std::string& path);

// Connects to the socket at `path`. `type` is SOCK_STREAM or SOCK_SEQPACKET;
// SOCK_NONBLOCK may be added to it.
//
// NotFound: no file at `path`. Unavailable: no process listens on the socket.
// ResourceExhausted: the listener's backlog is full, and `type` does not block.
absl::StatusOr<UniqueFd> ConnectUnix(const std::string& path, int type);

// Listens on a new socket of `type` at `path`. Its accept() does not block. The
// file has the permissions `mode` from its creation on, or those that the umask
// gives. Changes the process's umask for the moment: call it before threads
// create files.
//
// A socket file that no process listens on is replaced. AlreadyExists: a
// process listens on it, or the file is not a socket.
absl::StatusOr<UniqueFd> ListenUnix(const std::string& path, int type,
                                    std::optional<mode_t> mode = std::nullopt);

// Accepts connections, also when the process is out of file descriptors. The
// listener would then stay readable with a connection that can be neither
// accepted nor refused. A spare descriptor is closed to make room for the
// connection, which is then closed at once.
class Acceptor {
 public:
  Acceptor();

  // The next connection, opened with `flags` of accept4() and SOCK_CLOEXEC.
  // None if no connection waits, or if it had to be closed.
  UniqueFd Accept(int listener, int flags);

 private:
  UniqueFd spare_;
};

}  // namespace pvsched

#endif  // PVSCHED_COMMON_UNIX_SOCKET_H_
