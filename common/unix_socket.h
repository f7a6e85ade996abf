// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_COMMON_UNIX_SOCKET_H_
#define PVSCHED_COMMON_UNIX_SOCKET_H_

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace pvsched {

// Listens on a UNIX socket of `type` (SOCK_SEQPACKET or SOCK_STREAM) at
// `path`, with `mode` from the moment it appears. A socket that nobody listens
// on any more is replaced, one that somebody listens on is an error.
absl::StatusOr<UniqueFd> ListenUnix(const std::string& path, int type, mode_t mode);

// Takes the next connection of a listener; none if there is none any more.
//
// Without a descriptor left the connection could be neither taken nor refused,
// and the listener would stay readable: a spare one is given up to close it.
class Acceptor {
 public:
  Acceptor();
  UniqueFd Accept(int listener, int flags);

 private:
  UniqueFd spare_;
};

// Connects; the error says what to do.
absl::StatusOr<UniqueFd> ConnectUnix(const std::string& path, int type);

}  // namespace pvsched

#endif  // PVSCHED_COMMON_UNIX_SOCKET_H_
