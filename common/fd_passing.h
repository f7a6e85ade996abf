// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_FD_PASSING_H_
#define PVSCHED_COMMON_FD_PASSING_H_

#include <sys/uio.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"

namespace pvsched {

// What one recvmsg() on a UNIX socket returned.
struct FdMessage {
  size_t size = 0;            // bytes stored; never 0
  bool is_truncated = false;  // SOCK_SEQPACKET: the packet was longer than the buffer
  std::vector<UniqueFd> fds;  // close-on-exec, in the sender's order
};

// Receives at most `size` bytes and the file descriptors that came with them
// (SCM_RIGHTS). `flags` of recvmsg() may be MSG_PEEK. Does not block. Nothing if there is nothing
// to receive yet.
//
// OutOfRange: end of the stream. InvalidArgument: the message carries more than
// `max_fds` descriptors; all of them are closed. Others: from recvmsg().
absl::StatusOr<std::optional<FdMessage>> ReceiveWithFds(int socket, void* data, size_t size,
                                                        size_t max_fds, int flags = 0);

// Sends `data` by one sendmsg(), with `fds` attached to its first byte. Returns
// the bytes sent, which a send time-out can cut short. Nothing if the socket's
// buffer is full and the socket does not block. Raises no SIGPIPE.
//
// Unavailable: the peer closed the connection. Others: from sendmsg().
absl::StatusOr<std::optional<size_t>> SendWithFds(int socket, absl::Span<const iovec> data,
                                                  absl::Span<const int> fds);

// As above, for data in one piece.
absl::StatusOr<std::optional<size_t>> SendWithFds(int socket, const void* data, size_t size,
                                                  absl::Span<const int> fds);

}  // namespace pvsched

#endif  // PVSCHED_COMMON_FD_PASSING_H_
