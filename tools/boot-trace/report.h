// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TOOLS_BOOT_TRACE_REPORT_H_
#define PVSCHED_TOOLS_BOOT_TRACE_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tools/boot-trace/exit_reasons.h"
#include "tools/boot-trace/recorder.h"

namespace pvsched {

using Json = nlohmann::ordered_json;

struct Spread {
  double mean = 0, sd = 0, min = 0, median = 0, max = 0;
};
// `values` must not be empty. sd is the sample standard deviation, 0 for one value.
Spread SpreadOf(std::vector<double> values);

// One run: {"ms": {STEP: ms or null}, "vmms": N, "other_writes": N,
// "exits": {"total": N, "by_reason": {NAME: N}}, "exits_to_vmm": the same,
// "over_time": {NAME: [[ms from exec, exits], ..]}}.
Json RunJson(const BootRecord& record, const ExitReasons& reasons);

// All runs of one command: {"command": .., "runs": [..], "summary": {FIGURE: {"runs": N,
// "mean": .., "sd": .., "min": .., "median": .., "max": ..}}}. FIGURE is a STEP, "exits" or
// "exits_to_vmm".
Json SeriesJson(const std::string& command, const std::vector<Json>& runs);

// {"format": 1, "port": .., "commands": [series, ..]}. Two series of alternating runs also
// have "ratios": the second to the first, run by run.
Json ReportJson(uint16_t port, const std::vector<Json>& series);

// The report as text.
std::string ReportText(const Json& report);

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_REPORT_H_
