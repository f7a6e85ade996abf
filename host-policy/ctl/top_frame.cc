// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/top_frame.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/text_table.h"
#include "host-policy/ctl/json_output.h"

namespace pvsched {
namespace {

constexpr char kKeysText[] = "keys: q quit, s next sort field, v next VM, a all VMs";
constexpr size_t kMinNameWidth = 8;

struct Column {
  const char* field;  // of --sort
  const char* heading;
  const char* key;  // in the JSON
};

constexpr Column kColumns[] = {
    {"vm", "VM", "vm"},
    {"pid", "PID", "pid"},
    {"vcpu", "VCPU", "vcpu"},
    {"state", "STATE", "state"},
    {"cpu", "CPU%", "cpu_percent"},
    {"boosted", "BOOSTED%", "boosted_percent"},
    {"boosts", "BOOSTS/S", "boosts_per_s"},
    {"irqs", "IRQS/S", "interrupts_per_s"},
    {"events", "EVENTS/S", "events_per_s"},
    {"throttles", "THROTTLES", "throttles"},
};

uint64_t Number(const Json& json, const char* key) { return json.value(key, uint64_t{0}); }

using VcpuKey = std::tuple<std::string, int64_t, uint64_t>;

// Two VMs may have one name.
VcpuKey KeyOf(const Json& vcpu) {
  return {vcpu.value("vm", ""), vcpu.value("pid", int64_t{0}), Number(vcpu, "vcpu")};
}

Json VcpuRates(const Json& was, const Json& vcpu, double seconds) {
  const auto rate = [&](const char* key, double unit) {
    const uint64_t now = Number(vcpu, key);
    const uint64_t then = was.is_object() ? Number(was, key) : now;
    // The counters of a vCPU restart when it is registered again.
    return (now >= then ? static_cast<double>(now - then) : 0.0) / seconds / unit;
  };
  return {{"vm", vcpu.value("vm", "")},         {"pid", vcpu.value("pid", int64_t{0})},
          {"vcpu", Number(vcpu, "vcpu")},       {"state", vcpu.value("state", "-")},
          {"cpu_percent", rate("cpu_ns", 1e7)}, {"boosted_percent", rate("boosted_ns", 1e7)},
          {"boosts_per_s", rate("boosts", 1)},  {"interrupts_per_s", rate("interrupts", 1)},
          {"events_per_s", rate("events", 1)},  {"throttles", Number(vcpu, "throttles")}};
}

std::string CellText(const Json& vcpu, const Column& column, size_t name_width) {
  const Json& value = vcpu[column.key];
  if (value.is_number_float()) return absl::StrFormat("%.0f", value.get<double>());
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (&column == kColumns && name_width != 0 && text.size() > name_width) {
    text.resize(name_width - 1);
    text += "+";
  }
  return text;
}

// The first columns of `rows`, as many as fit into `width`; 0: all.
std::vector<Row> FittingColumns(std::vector<Row> rows, size_t width) {
  if (width == 0) return rows;
  size_t used = 0;
  size_t count = 0;
  for (; count < rows[0].size(); ++count) {
    size_t column = 0;
    for (const Row& row : rows) column = std::max(column, row[count].size());
    used += column + (count == 0 ? 0 : 2);
    if (used > width) break;
  }
  for (Row& row : rows) row.resize(std::max<size_t>(count, 1));
  return rows;
}

std::string TableText(const Json& vcpus, size_t width) {
  const size_t name_width = width == 0 ? 0 : std::max(kMinNameWidth, width / 3);
  std::vector<Row> rows(1);
  for (const Column& column : kColumns) rows[0].emplace_back(column.heading);
  for (const Json& vcpu : vcpus) {
    Row& row = rows.emplace_back();
    for (const Column& column : kColumns) row.push_back(CellText(vcpu, column, name_width));
  }
  return TextTable(FittingColumns(std::move(rows), width));
}

std::string Counted(uint64_t count, absl::string_view name) {
  return absl::StrCat(count, " ", name, count == 1 ? "" : "s");
}

std::string HeaderText(const Json& frame, const TopView& view) {
  std::string text =
      absl::StrFormat("%s: actuator %s, %s, %s, rates over %.1f s, by %s", frame.value("host", "?"),
                      frame.value("actuator", "?"), Counted(Number(frame, "vms"), "VM"),
                      Counted(Number(frame, "registered_vcpus"), "vCPU"),
                      frame.value("interval_s", 0.0), view.sort);
  if (!view.vm.empty()) absl::StrAppend(&text, ", VM ", view.vm);
  return text;
}

}  // namespace

std::vector<std::string> TopSortFields() {
  std::vector<std::string> fields;
  for (const Column& column : kColumns) fields.emplace_back(column.field);
  return fields;
}

Json TopFrame(const Json& before, const Json& after, double seconds, const std::string& host) {
  std::map<VcpuKey, Json> old;
  for (const Json& vcpu : before.value("vcpus", Json::array())) old[KeyOf(vcpu)] = vcpu;
  Json rates = Json::array();
  for (const Json& vcpu : after.value("vcpus", Json::array())) {
    rates.push_back(VcpuRates(old[KeyOf(vcpu)], vcpu, seconds));
  }
  return {{"format", kJsonFormat},
          {"host", host},
          {"actuator", after.value("actuator", Json::object()).value("name", "?")},
          {"interval_s", seconds},
          {"vms", Number(after, "vms")},
          {"registered_vcpus", rates.size()},
          {"vcpus", std::move(rates)}};
}

Json ShapedTop(Json frame, const TopView& view) {
  std::vector<Json> vcpus;
  for (const Json& vcpu : frame["vcpus"]) {
    if (view.vm.empty() || vcpu["vm"] == view.vm) vcpus.push_back(vcpu);
  }
  std::ranges::sort(vcpus, {}, KeyOf);
  const auto* const column =
      std::ranges::find(kColumns, view.sort, [](const Column& c) { return std::string(c.field); });
  if (column != std::end(kColumns)) {
    std::ranges::stable_sort(vcpus, [column](const Json& a, const Json& b) {
      const Json& left = a[column->key];
      const Json& right = b[column->key];
      return left.is_string() ? left < right : right < left;
    });
  }
  frame["vcpus"] = std::move(vcpus);
  return frame;
}

std::string TopText(const Json& shaped, const TopView& view) {
  std::string all = HeaderText(shaped, view) + "\n" + TableText(shaped["vcpus"], view.width);
  std::vector<std::string> lines = absl::StrSplit(all, '\n', absl::SkipEmpty());
  const size_t below = view.has_keys ? 1 : 0;
  if (view.height != 0 && lines.size() + below > view.height) {
    const size_t kept = std::max<size_t>(view.height - below, 2) - 1;
    const size_t hidden = lines.size() - kept;
    lines.resize(kept);
    lines.push_back(absl::StrCat("... ", Counted(hidden, "more vCPU")));
  }
  if (view.has_keys) lines.emplace_back(kKeysText);
  std::string text;
  for (const std::string& line : lines) {
    absl::StrAppend(&text, view.width == 0 ? line : line.substr(0, view.width), "\n");
  }
  return text;
}

std::vector<std::string> TopVms(const Json& frame) {
  std::set<std::string> names;
  for (const Json& vcpu : frame["vcpus"]) names.insert(vcpu.value("vm", ""));
  return {names.begin(), names.end()};
}

}  // namespace pvsched
