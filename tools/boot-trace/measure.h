// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TOOLS_BOOT_TRACE_MEASURE_H_
#define PVSCHED_TOOLS_BOOT_TRACE_MEASURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/boot-trace/bpf/intf.h"
#include "tools/boot-trace/report.h"

namespace pvsched {

struct MeasureOptions {
  int runs = 1;
  uint16_t port = PVS_BOOT_DEFAULT_PORT;
  uint64_t value = PVS_BOOT_DEFAULT_VALUE;  // or PVS_BOOT_ANY_VALUE
  std::vector<std::string> command;         // argv of the one command, or
  std::vector<std::string> compare;         // two shell commands
  bool shows_output = false;
  bool any_status = false;
};

// Runs the command, or each of the two, options.runs times. Returns the report (ReportJson).
// Progress goes to standard error. SIGINT, SIGTERM and SIGHUP kill the command and fail.
absl::StatusOr<Json> Measure(const MeasureOptions& options);

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_MEASURE_H_
