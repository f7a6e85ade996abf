// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/text_table.h"
#include "tools/boot-trace/report.h"

namespace pvsched {
namespace {

constexpr int kTimelineRows = 20;
constexpr int kBarWidth = 30;

// The steps shown, in this order: first the consecutive steps, then their sums.
constexpr std::pair<const char*, const char*> kSteps[] = {
    {"exec_to_vcpu_made", "exec -> vCPU made"},
    {"vcpu_made_to_vcpu_runs", "vCPU made -> vCPU runs"},
    {"vcpu_runs_to_userspace", "vCPU runs -> user space"},
    {"userspace_to_end", "user space -> end"},
    {"exec_to_userspace", "exec -> user space"},
    {"exec_to_end", "exec -> end"},
};

std::string Number(double value) {
  return std::abs(value) < 100 ? absl::StrFormat("%.2f", value) : absl::StrFormat("%.0f", value);
}

Row SpreadRow(const std::string& name, const Json& spread) {
  if (spread.is_null()) return {name, "-", "-", "-", "-"};
  return {name, Number(spread["mean"]), Number(spread["sd"]), Number(spread["min"]),
          Number(spread["max"])};
}

std::string Steps(const Json& series) {
  std::vector<Row> rows = {{"ms", "mean", "sd", "min", "max"}};
  for (const auto& [step, name] : kSteps) rows.push_back(SpreadRow(name, series["summary"][step]));
  return TextTable(rows);
}

// A table of exits by reason, the most frequent first.
std::string Exits(const Json& series, const char* kind, const char* title) {
  const double runs = static_cast<double>(series["runs"].size());
  const double all = series["summary"][kind]["mean"];
  if (all == 0) return "";
  std::map<std::string, std::vector<double>> counts;
  for (const Json& run : series["runs"]) {
    for (const auto& [reason, count] : run[kind]["by_reason"].items()) {
      counts[reason].push_back(count);
    }
  }
  std::vector<std::pair<double, Row>> sorted;
  for (auto& [reason, values] : counts) {
    values.resize(series["runs"].size(), 0);  // runs without any
    const Spread spread = SpreadOf(values);
    sorted.push_back({-spread.mean,
                      {reason, Number(spread.mean), Number(spread.sd), Number(spread.min),
                       Number(spread.max), absl::StrFormat("%.1f %%", 100 * spread.mean / all)}});
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<Row> rows = {
      {runs > 1 ? absl::StrCat(title, ", each run") : title, "mean", "sd", "min", "max", "share"}};
  for (auto& [order, row] : sorted) rows.push_back(std::move(row));
  rows.push_back(SpreadRow("all", series["summary"][kind]));
  rows.back().push_back("");
  return absl::StrCat("\n", TextTable(rows));
}

// The events whose mean time is in a row of the timeline.
std::string Reached(const Json& summary, double from, double to) {
  std::vector<std::string> reached;
  for (const auto& [step, name] :
       {std::pair("exec_to_vcpu_runs", "vCPU runs"), std::pair("exec_to_userspace", "user space"),
        std::pair("exec_to_end", "end")}) {
    const Json& spread = summary[step];
    if (spread.is_null() || spread["mean"] < from || spread["mean"] >= to) continue;
    reached.push_back(name);
  }
  return absl::StrJoin(reached, ", ");
}

std::string Timeline(const Json& series, double bucket_ms) {
  double end = series["summary"]["exec_to_end"].is_null()
                   ? 0
                   : series["summary"]["exec_to_end"]["max"].get<double>();
  for (const Json& run : series["runs"]) {
    for (const auto& [name, points] : run["over_time"].items()) {
      end = std::max(end, points.back()[0].get<double>());
    }
  }
  const double width = bucket_ms * (std::floor(end / bucket_ms / kTimelineRows) + 1);
  struct Interval {
    double exits = 0;
    std::map<std::string, double> by_reason;
  };
  std::vector<Interval> intervals(static_cast<size_t>(end / width) + 1);
  for (const Json& run : series["runs"]) {
    for (const auto& [name, points] : run["over_time"].items()) {
      for (const Json& point : points) {
        Interval& interval = intervals[static_cast<size_t>(point[0].get<double>() / width)];
        const double mean = point[1].get<double>() / static_cast<double>(series["runs"].size());
        interval.exits += mean;
        interval.by_reason[name] += mean;
      }
    }
  }
  double most = 0;
  for (const Interval& interval : intervals) most = std::max(most, interval.exits);
  if (most == 0) return "";
  std::vector<Row> rows = {{"ms from exec", "exits", "", "top reason", "reached"}};
  for (size_t i = 0; i < intervals.size(); ++i) {
    const Interval& interval = intervals[i];
    const double from = static_cast<double>(i) * width;
    const auto top = std::max_element(
        interval.by_reason.begin(), interval.by_reason.end(),
        [](const auto& left, const auto& right) { return left.second < right.second; });
    rows.push_back(
        {absl::StrFormat("%.0f", from), absl::StrFormat("%.0f", interval.exits),
         std::string(static_cast<size_t>(std::ceil(kBarWidth * interval.exits / most)), '#'),
         top == interval.by_reason.end() ? "" : top->first,
         Reached(series["summary"], from, from + width)});
  }
  return absl::StrCat("\n", TextTable(rows));
}

// Limits of the figures above: missing mark, software KVM, several VMMs.
std::string Notes(const Json& series, const std::string& port) {
  std::string notes;
  if (series["summary"]["exec_to_userspace"].is_null()) {
    const uint64_t others = series["runs"][0]["other_writes"];
    absl::StrAppend(
        &notes, "\nThe guest did not write the mark to port ", port,
        others == 0 ? "" : absl::StrCat(", but other values ", others, " times"),
        ", so the time to user space is unknown: see pvsched-boot --help for the mark.\n");
  }
  if (series["summary"]["exits"]["mean"] == 0) {
    absl::StrAppend(&notes,
                    "\nThis KVM reported exits to the VMM only: it runs guests in software, not "
                    "on VMX or SVM.\n");
  }
  for (const Json& run : series["runs"]) {
    if (run["vmms"] < 2) continue;
    absl::StrAppend(
        &notes, "\nThe command had ", run["vmms"].get<int>(),
        " VMMs: the times are those of the first that ran a vCPU, the exits are of all.\n");
    break;
  }
  return notes;
}

std::string Ratios(const Json& ratios) {
  std::vector<Row> rows = {{"B / A, run by run", "median", "min", "max", "mean", "sd"}};
  const auto add = [&](const std::string& name, const Json& spread) {
    if (spread.is_null()) return;
    Row row = {name};
    for (const char* key : {"median", "min", "max", "mean", "sd"}) {
      row.push_back(absl::StrFormat("%.3f", spread[key].get<double>()));
    }
    rows.push_back(std::move(row));
  };
  for (const auto& [step, name] : kSteps) add(name, ratios[step]);
  add("VM exits", ratios["exits"]);
  add("exits to the VMM", ratios["exits_to_vmm"]);
  return absl::StrCat("\n", TextTable(rows));
}

}  // namespace

std::string ReportText(const Json& report) {
  const bool compares = report.contains("ratios");
  std::string text;
  char name = 'A';
  for (const Json& series : report["commands"]) {
    const size_t runs = series["runs"].size();
    absl::StrAppend(
        &text, text.empty() ? "" : "\n", compares ? absl::StrCat(std::string(1, name++), ": ") : "",
        series["command"].get<std::string>(), "\n", runs, runs == 1 ? " run\n\n" : " runs\n\n",
        Steps(series), Exits(series, "exits", "VM exits"),
        Exits(series, "exits_to_vmm", "exits to the VMM"), Timeline(series, report["bucket_ms"]),
        Notes(series, report["port"]));
  }
  if (compares) text += Ratios(report["ratios"]);
  return text;
}

}  // namespace pvsched
