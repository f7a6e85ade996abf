// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/fuzz/fuzz.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/base/log_severity.h"
#include "absl/log/globals.h"

// libFuzzer calls it once, before the first input. A log line for each refused message would be
// most of the work.
extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  absl::SetMinLogLevel(absl::LogSeverityAtLeast::kFatal);
  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kFatal);
  return 0;
}

namespace pvsched {

void Require(bool holds, const char* property) {
  if (holds) return;
  fprintf(stderr, "property broken: %s\n", property);
  abort();
}

uint64_t FuzzInput::InRange(uint64_t minimum, uint64_t maximum) {
  const uint64_t range = maximum - minimum;
  uint64_t value = 0;
  for (uint64_t left = range; left != 0; left >>= 8) value = value << 8 | Take<uint8_t>();
  return range == UINT64_MAX ? value : minimum + value % (range + 1);
}

// One call reports all descriptors that a target can have.
int FdLeakCheck::Count() {
  std::array<pollfd, 256> fds = {};
  for (size_t i = 0; i < fds.size(); ++i) fds[i].fd = static_cast<int>(i);
  poll(fds.data(), fds.size(), 0);
  return static_cast<int>(
      std::ranges::count_if(fds, [](const pollfd& fd) { return (fd.revents & POLLNVAL) == 0; }));
}

UniqueFd MakeMemory(uint64_t size) {
  UniqueFd fd(memfd_create("fuzz", MFD_CLOEXEC));
  Require(fd && ftruncate(fd.get(), static_cast<off_t>(size)) == 0, "a memfd can be made");
  return fd;
}

FuzzFile::FuzzFile() : fd_(MakeMemory(0)), path_("/proc/self/fd/" + std::to_string(fd_.get())) {}

void FuzzFile::Write(FuzzInput::Bytes bytes) {
  Require(ftruncate(fd_.get(), 0) == 0 && pwrite(fd_.get(), bytes.data(), bytes.size(), 0) ==
                                              static_cast<ssize_t>(bytes.size()),
          "the file can be written");
}

}  // namespace pvsched
