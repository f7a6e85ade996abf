// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/trace_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/unique_fd.h"

namespace pvsched {

absl::StatusOr<std::unique_ptr<TraceFile>> TraceFile::Open(const std::string& path) {
  const auto failed = [&path] { return ErrnoStatus(errno, absl::StrCat("cannot write ", path)); };
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  struct stat st;
  if (!fd || fstat(fd.get(), &st) != 0) return failed();
  File file(fdopen(fd.get(), "w"), fclose);
  if (file == nullptr) return failed();
  fd.release();
  return std::unique_ptr<TraceFile>(new TraceFile(path, std::move(file), S_ISREG(st.st_mode),
                                                  S_ISREG(st.st_mode) && st.st_size == 0));
}

absl::Status TraceFile::Failed(int error) const {
  return ErrnoStatus(error != 0 ? error : EIO, absl::StrCat("cannot write ", path_));
}

absl::Status TraceFile::Begin() {
  if (is_regular_ && ftruncate(fileno(file_.get()), 0) != 0) return Failed(errno);
  writer_ = std::make_unique<PerfettoWriter>(file_.get());
  return absl::OkStatus();
}

absl::Status TraceFile::Add(const Json& decision) {
  if (writer_ == nullptr) {
    RETURN_IF_ERROR(Begin());
  }
  errno = 0;
  writer_->Add(decision);
  return ferror(file_.get()) == 0 ? absl::OkStatus() : Failed(errno);
}

absl::Status TraceFile::Close() {
  if (writer_ == nullptr && was_empty_) {
    RETURN_IF_ERROR(Begin());
  }
  errno = 0;
  writer_.reset();  // writes the end
  const bool has_failed = ferror(file_.get()) != 0;
  const int error = errno;
  if (fclose(file_.release()) != 0) return Failed(errno);
  return has_failed ? Failed(error) : absl::OkStatus();
}

}  // namespace pvsched
