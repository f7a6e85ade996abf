// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/unique_fd.h"

namespace pvsched {
namespace {

absl::Status WriteAll(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t size = write(fd, text.data() + done, text.size() - done);
    if (size < 0) return ErrnoStatus(errno, "write");
    done += static_cast<size_t>(size);
  }
  return fsync(fd) == 0 ? absl::OkStatus() : ErrnoStatus(errno, "fsync");
}

}  // namespace

absl::Status WriteNewFile(const std::string& path, const std::string& text, bool is_forced) {
  const auto failed = [&path](int error) {
    return ErrnoStatus(error, absl::StrCat("cannot write ", path));
  };
  struct stat st;
  if (lstat(path.c_str(), &st) == 0) {
    if (!is_forced) {
      return absl::AlreadyExistsError(absl::StrCat(path, " exists; --force replaces it"));
    }
    if (!S_ISREG(st.st_mode)) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is not a regular file"));
    }
  }
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return failed(errno);
  absl::Cleanup remove_it = [&temporary] { unlink(temporary.c_str()); };
  if (const absl::Status status = WriteAll(fd.get(), text); !status.ok()) {
    return absl::UnavailableError(absl::StrCat("cannot write ", path, ": ", status.message()));
  }
  if (fchmod(fd.get(), 0644) != 0) return failed(errno);
  // link() does not replace a file that another process has created meanwhile.
  const int result =
      is_forced ? rename(temporary.c_str(), path.c_str()) : link(temporary.c_str(), path.c_str());
  if (result != 0) return failed(errno);
  if (is_forced) std::move(remove_it).Cancel();
  return absl::OkStatus();
}

}  // namespace pvsched
