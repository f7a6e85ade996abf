// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tools/boot-trace/report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pvsched {
namespace {

constexpr double kNsPerMs = 1e6;
constexpr double kBucketMs = PVS_BOOT_BUCKET_NS / kNsPerMs;

uint64_t VcpuRuns(const pvs_boot_process& times) {
  return times.entered_at != 0 ? times.entered_at : times.first_exit_at;
}

// The time from one event to another; null if either has not happened.
Json Ms(uint64_t from, uint64_t to) {
  if (from == 0 || to < from) return nullptr;
  return static_cast<double>(to - from) / kNsPerMs;
}

Json StepsJson(const pvs_boot_process& times) {
  const uint64_t runs = VcpuRuns(times);
  return {{"exec_to_vcpu_made", Ms(times.exec_at, times.vcpu_made_at)},
          {"vcpu_made_to_vcpu_runs", Ms(times.vcpu_made_at, runs)},
          {"vcpu_runs_to_userspace", Ms(runs, times.marked_at)},
          {"userspace_to_end", Ms(times.marked_at, times.ended_at)},
          {"exec_to_vcpu_runs", Ms(times.exec_at, runs)},
          {"exec_to_userspace", Ms(times.exec_at, times.marked_at)},
          {"exec_to_end", Ms(times.exec_at, times.ended_at)},
          // The guest's own TSC at the mark, as a time.
          {"tsc_zero_to_userspace", Ms(times.tsc_zero_at, times.marked_at)}};
}

void Count(Json& exits, const std::string& name, uint64_t count) {
  Json& reason = exits["by_reason"][name];
  reason = (reason.is_null() ? uint64_t{0} : reason.get<uint64_t>()) + count;
  exits["total"] = exits["total"].get<uint64_t>() + count;
}

}  // namespace

Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  Spread spread;
  for (const double value : values) spread.mean += value / static_cast<double>(n);
  for (const double value : values) spread.sd += std::pow(value - spread.mean, 2);
  spread.sd = n > 1 ? std::sqrt(spread.sd / static_cast<double>(n - 1)) : 0;
  spread.min = values.front();
  spread.max = values.back();
  spread.median = (values[(n - 1) / 2] + values[n / 2]) / 2;
  return spread;
}

Json RunJson(const BootRecord& record, const ExitReasons& reasons) {
  const Json none = {{"total", uint64_t{0}}, {"by_reason", Json::object()}};
  Json run = {{"ms", StepsJson(record.times)},
              {"vmms", record.vmms},
              {"other_writes", record.times.other_writes},
              {"exits", none},
              {"exits_to_vmm", none},
              {"over_time", Json::object()}};
  std::map<std::string, std::map<uint16_t, uint64_t>> over_time;
  bool has_exits = false;
  for (const auto& [exit, buckets] : record.exits) has_exits |= exit.kind != PVS_BOOT_EXIT_TO_VMM;
  for (const auto& [exit, buckets] : record.exits) {
    const bool to_vmm = exit.kind == PVS_BOOT_EXIT_TO_VMM;
    const std::string name = reasons.Name(exit.kind, exit.reason);
    for (const auto& [bucket, count] : buckets) {
      Count(run[to_vmm ? "exits_to_vmm" : "exits"], name, count);
      // A software KVM reports exits to the VMM only.
      if (!to_vmm || !has_exits) over_time[name][bucket] += count;
    }
  }
  for (const auto& [name, buckets] : over_time) {
    Json& points = run["over_time"][name] = Json::array();
    for (const auto& [bucket, count] : buckets) points.push_back({bucket * kBucketMs, count});
  }
  return run;
}

namespace {

// Values of a figure by the index of the run; runs without it are missing.
std::map<size_t, double> Values(const Json& runs, const std::string& figure) {
  std::map<size_t, double> values;
  for (size_t i = 0; i < runs.size(); ++i) {
    const Json& run = runs[i];
    const Json& value = run["ms"].contains(figure) ? run["ms"][figure] : run[figure]["total"];
    if (!value.is_null()) values[i] = value.get<double>();
  }
  return values;
}

std::vector<std::string> Figures(const Json& runs) {
  std::vector<std::string> figures;
  for (const auto& [step, ms] : runs[0]["ms"].items()) figures.push_back(step);
  figures.insert(figures.end(), {"exits", "exits_to_vmm"});
  return figures;
}

Json SpreadJson(const std::vector<double>& values) {
  if (values.empty()) return nullptr;
  const Spread spread = SpreadOf(values);
  return {{"runs", values.size()}, {"mean", spread.mean},     {"sd", spread.sd},
          {"min", spread.min},     {"median", spread.median}, {"max", spread.max}};
}

}  // namespace

Json SeriesJson(const std::string& command, const std::vector<Json>& runs) {
  Json series = {{"command", command}, {"runs", runs}, {"summary", Json::object()}};
  for (const std::string& figure : Figures(series["runs"])) {
    std::vector<double> values;
    for (const auto& [run, value] : Values(series["runs"], figure)) values.push_back(value);
    series["summary"][figure] = SpreadJson(values);
  }
  return series;
}

Json ReportJson(uint16_t port, const std::vector<Json>& series) {
  Json report = {{"format", 1},
                 {"port", absl::StrFormat("0x%x", port)},
                 {"bucket_ms", kBucketMs},
                 {"commands", series}};
  if (series.size() != 2) return report;
  for (const std::string& figure : Figures(series[0]["runs"])) {
    const std::map<size_t, double> base = Values(series[0]["runs"], figure);
    std::vector<double> ratios;
    for (const auto& [run, value] : Values(series[1]["runs"], figure)) {
      if (const auto other = base.find(run); other != base.end() && other->second > 0) {
        ratios.push_back(value / other->second);
      }
    }
    report["ratios"][figure] = SpreadJson(ratios);
  }
  return report;
}

}  // namespace pvsched
