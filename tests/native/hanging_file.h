// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_HANGING_FILE_H_
#define PVSCHED_TESTS_NATIVE_HANGING_FILE_H_

#include <sys/types.h>

#include <atomic>
#include <string>

#include "common/unique_fd.h"

namespace pvsched {

// A FUSE file system with two files. Its server, a process, never answers a FLUSH of the one, nor
// a WRITE: close() waits until the server ends, which it also does by itself after 40 s.
class HangingFile {
 public:
  HangingFile();
  ~HangingFile();
  HangingFile(const HangingFile&) = delete;
  HangingFile& operator=(const HangingFile&) = delete;

  // Why there is none; empty if there is one.
  const std::string& why_not() const { return why_not_; }
  // A new descriptor. The process that has it cannot close it, nor end, before Release().
  int Open() const;
  // Of the other file. Once data is written to it, which the kernel caches, the last close() of it
  // waits, even of one that is only in a message.
  UniqueFd OpenFlushed() const;
  // The FLUSH requests so far: each is of a process that closes a descriptor.
  int flushes() const { return *flushes_; }
  // Ends the server, and all waits.
  void Release();

 private:
  void Serve(int device);

  std::string directory_;
  std::string why_not_;
  pid_t server_ = 0;
  std::atomic<int>* flushes_ = nullptr;  // shared with the server
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_HANGING_FILE_H_
