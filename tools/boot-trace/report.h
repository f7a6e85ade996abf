// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_TOOLS_BOOT_TRACE_REPORT_H_
#define PVSCHED_TOOLS_BOOT_TRACE_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tools/boot-trace/reasons.h"
#include "tools/boot-trace/recorder.h"

namespace pvsched {

using Json = nlohmann::ordered_json;

struct Spread {
  double mean = 0, sd = 0, min = 0, median = 0, max = 0;
};
// The sample's, of one value at least; sd is 0 of one.
Spread SpreadOf(std::vector<double> values);

// One run: {"ms": {STEP: ms or null}, "vmms": N, "other_writes": N,
// "exits": {"total": N, "by_reason": {NAME: N}}, "exits_to_vmm": the same,
// "over_time": {NAME: [[ms from exec, exits], ..]}}.
Json RunJson(const BootRecord& record, const ExitReasons& reasons);

// All of a command's runs: {"command": .., "runs": [..], "summary": {STEP or "exits" or
// "exits_to_vmm": {"runs": N, "mean": .., "sd": .., "min": .., "median": .., "max": ..}}}.
Json SeriesJson(const std::string& command, const std::vector<Json>& runs);

// {"format": 1, "port": .., "commands": [series, ..]}; of two series, whose runs were
// taken in turn, "ratios" as well: the second's to the first's, pair by pair.
Json ReportJson(uint16_t port, const std::vector<Json>& series);

// The same for a person.
std::string ReportText(const Json& report);

}  // namespace pvsched

#endif  // PVSCHED_TOOLS_BOOT_TRACE_REPORT_H_
