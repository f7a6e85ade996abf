// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_COMMON_ERRNO_STATUS_H_
#define PVSCHED_COMMON_ERRNO_STATUS_H_

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace pvsched {

// The kernel's ENOTSUPP (include/linux/errno.h). Some BPF calls return it to
// user space, where no header defines it.
inline constexpr int kKernelNotSupported = 524;

// The status for `error`, an errno value or its negative (as libbpf returns
// it). The message is "WHAT: TEXT OF THE ERROR". 0 is OK.
//
// The codes are Abseil's, except:
// - EAGAIN is ResourceExhausted: a limit was hit, such as a full backlog.
//   Code that waits for a descriptor handles EAGAIN before it makes a status.
// - EPIPE is Unavailable, as ECONNRESET is: the peer closed the connection.
// - ENOTSUPP is Unimplemented.
inline absl::Status ErrnoStatus(int error, absl::string_view what) {
  if (error < 0) error = -error;
  switch (error) {
    case EAGAIN:
      return absl::ResourceExhaustedError(absl::ErrnoToStatus(error, what).message());
    case EPIPE:
      return absl::UnavailableError(absl::ErrnoToStatus(error, what).message());
    case kKernelNotSupported:
      return absl::UnimplementedError(absl::StrCat(what, ": not supported by this kernel"));
    default:
      return absl::ErrnoToStatus(error, what);
  }
}

// The errno value that reports `status` to a peer: in vfio-user replies and in
// pvsched_control_msg.error. ErrnoStatus() maps each value back to its code,
// except EIO, which stands for all codes without a value of their own.
inline int StatusToErrno(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
      return EINVAL;
    case absl::StatusCode::kPermissionDenied:
      return EPERM;
    case absl::StatusCode::kNotFound:
      return ENOENT;
    case absl::StatusCode::kAlreadyExists:
      return EEXIST;
    case absl::StatusCode::kResourceExhausted:
      return ENOSPC;
    case absl::StatusCode::kUnimplemented:
      return EOPNOTSUPP;
    default:
      return EIO;
  }
}

}  // namespace pvsched

#define PVSCHED_CONCAT_INNER(a, b) a##b
#define PVSCHED_CONCAT(a, b) PVSCHED_CONCAT_INNER(a, b)

// Returns the status of `expression` from the calling function unless it is OK.
#define RETURN_IF_ERROR(expression)                                         \
  do {                                                                      \
    if (absl::Status pvsched_status = (expression); !pvsched_status.ok()) { \
      return pvsched_status;                                                \
    }                                                                       \
  } while (false)

// Assigns the value of `expression`, an absl::StatusOr, to `target`, which may
// be a declaration. Returns the status from the calling function if there is
// no value.
#define ASSIGN_OR_RETURN(target, expression) \
  PVSCHED_ASSIGN_OR_RETURN(PVSCHED_CONCAT(pvsched_status_or_, __LINE__), target, expression)
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.
#define PVSCHED_ASSIGN_OR_RETURN(status_or, target, expression) \
  auto status_or = (expression);                                \
  if (!status_or.ok()) return std::move(status_or).status();    \
  target = *std::move(status_or)
// NOLINTEND(bugprone-macro-parentheses)

#endif  // PVSCHED_COMMON_ERRNO_STATUS_H_
