// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "common/libbpf_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <utility>

namespace pvsched {
namespace {

std::string& Log() {
  static std::string log;
  return log;
}

int AppendToLog(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  // Whole: the verifier's reason is at the end of a log that may have megabytes.
  va_list copy;
  va_copy(copy, args);
  const int size = vsnprintf(nullptr, 0, format, copy);
  va_end(copy);
  if (size <= 0) return 0;
  std::string line(static_cast<size_t>(size) + 1, '\0');
  vsnprintf(line.data(), line.size(), format, args);
  line.pop_back();
  Log().append(line);
  return 0;
}

}  // namespace

void CaptureLibbpfLog() { libbpf_set_print(AppendToLog); }

std::string TakeLibbpfLog() { return std::exchange(Log(), std::string()); }

}  // namespace pvsched
