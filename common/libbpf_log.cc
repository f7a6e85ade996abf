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
  char line[16384];
  vsnprintf(line, sizeof(line), format, args);
  Log().append(line);
  return 0;
}

}  // namespace

void CaptureLibbpfLog() { libbpf_set_print(AppendToLog); }

std::string TakeLibbpfLog() { return std::exchange(Log(), std::string()); }

}  // namespace pvsched
