// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_CLIENT_FILE_H_
#define PVSCHED_HOST_POLICY_DAEMON_CLIENT_FILE_H_

#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace pvsched {

// Which file it is, whatever its path is in a mount namespace.
inline std::string FileIdentity(const struct stat& info) {
  return absl::StrCat(info.st_dev, ":", info.st_ino);
}

// Where this process finds a file that a client has open at `path`: under
// `opened`, the client's descriptor below /proc, if that is the same file. Else
// the client is in another PID namespace, or older, and its path is all there is.
inline std::string ClientFile(const std::string& path, const std::string& opened,
                              const std::string& identity) {
  struct stat info;
  const bool is_same = opened.starts_with("/proc/") && stat(opened.c_str(), &info) == 0 &&
                       S_ISREG(info.st_mode) && FileIdentity(info) == identity;
  return is_same ? opened : path;
}

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_CLIENT_FILE_H_
