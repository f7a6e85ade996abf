// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/tables.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "common/text_table.h"
#include "host-policy/daemon/scx_counters.h"

namespace pvsched {
namespace {

std::string Text(const Json& json, const char* key) {
  if (!json.contains(key) || json[key].is_null()) return "-";
  return json[key].is_string() ? json[key].get<std::string>() : json[key].dump();
}

uint64_t Number(const Json& json, const char* key) { return json.value(key, uint64_t{0}); }

std::string Ms(const Json& json, const char* key) {
  return json.contains(key) ? absl::StrCat(Number(json, key) / 1000000) : "-";
}

// "rr 8", "normal nice 0".
std::string ParamsText(const Json& json, const char* key) {
  if (!json.contains(key)) return "-";
  const Json& params = json[key];
  const std::string policy = params.value("policy", "?");
  const int rt_prio = params.value("rt_prio", 0);
  if (rt_prio > 0) return absl::StrCat(policy, " ", rt_prio);
  return absl::StrCat(policy, " nice ", params.value("nice", 0));
}

std::string QuantileText(const Json& histogram, double quantile) {
  const long us = BucketQuantile(histogram, quantile);
  return us < 0 ? "-" : absl::StrCat("<", us);
}

}  // namespace

std::string VmTable(const Json& vms) {
  std::vector<Row> rows = {{"VM", "PID", "UID", "VCPUS", "BOUND"}};
  for (const Json& vm : vms) {
    rows.push_back(
        {Text(vm, "vm"), Text(vm, "pid"), Text(vm, "uid"), Text(vm, "vcpus"), Text(vm, "bound")});
  }
  return TextTable(rows);
}

std::string VcpuTable(const Json& vcpus) {
  std::vector<Row> rows = {{"VM", "PID", "VCPU", "TID", "STATE", "APPLIED", "BASELINE", "BOOSTS",
                            "THROTTLES", "BOOSTED_MS"}};
  for (const Json& vcpu : vcpus) {
    rows.push_back({Text(vcpu, "vm"), Text(vcpu, "pid"), Text(vcpu, "vcpu"), Text(vcpu, "tid"),
                    Text(vcpu, "state"), ParamsText(vcpu, "applied"), ParamsText(vcpu, "baseline"),
                    Text(vcpu, "boosts"), Text(vcpu, "throttles"), Ms(vcpu, "boosted_ns")});
  }
  return TextTable(rows);
}

std::string TunableTable(const Json& tunables) {
  std::vector<Row> rows = {{"NAME", "VALUE", "UNIT", "DEFAULT", "DESCRIPTION"}};
  for (const Json& tunable : tunables) {
    rows.push_back({Text(tunable, "name"), Text(tunable, "value"), Text(tunable, "unit"),
                    Text(tunable, "default"), Text(tunable, "help")});
  }
  return TextTable(rows);
}

std::string ProfileTable(const Json& profiles) {
  std::vector<Row> rows = {{"PROFILE", "TUNABLE", "VALUE"}};
  for (const Json& profile : profiles) {
    const Json values = profile.value("values", Json::object());
    for (const auto& [name, value] : values.items()) {
      rows.push_back({Text(profile, "profile"), name, value.get<std::string>()});
    }
    if (values.empty()) rows.push_back({Text(profile, "profile"), "-", "-"});
  }
  return TextTable(rows);
}

long BucketQuantile(const Json& histogram, double quantile) {
  uint64_t total = 0;
  for (const Json& count : histogram) total += count.get<uint64_t>();
  if (total == 0) return -1;
  const double wanted = quantile * static_cast<double>(total);
  uint64_t sum = 0;
  for (size_t i = 0; i < histogram.size(); ++i) {
    sum += histogram[i].get<uint64_t>();
    if (static_cast<double>(sum) >= wanted) return 2L << i;
  }
  return 2L << (histogram.size() - 1);
}

namespace {

std::string ActuatorText(const Json& actuator) {
  const std::string name = actuator.value("name", "?");
  if (name == "scx") return "actuator scx: it schedules threads, and changes no parameters\n";
  return absl::StrCat("actuator ", name, ": ", Number(actuator, "calls"), " changes applied, ",
                      Number(actuator, "failures"), " failed\n");
}

}  // namespace

std::string StatsTable(const Json& stats) {
  std::vector<Row> rows = {{"VM", "PID", "VCPU", "STATE", "CPU_MS", "BOOSTED_MS", "BOOSTS",
                            "THROTTLES", "IRQS", "EVENTS", "LOST", "WAKE_P50_US", "WAKE_P99_US",
                            "BOOSTED_P50_US", "BOOSTED_P99_US"}};
  for (const Json& vcpu : stats.value("vcpus", Json::array())) {
    const Json wakeups = vcpu.value("wakeup_us", Json::object());
    const Json normal = wakeups.value("normal", Json::array());
    const Json boosted = wakeups.value("boosted", Json::array());
    rows.push_back({Text(vcpu, "vm"), Text(vcpu, "pid"), Text(vcpu, "vcpu"), Text(vcpu, "state"),
                    Ms(vcpu, "cpu_ns"), Ms(vcpu, "boosted_ns"), Text(vcpu, "boosts"),
                    Text(vcpu, "throttles"), Text(vcpu, "interrupts"), Text(vcpu, "events"),
                    Text(vcpu, "events_lost"), QuantileText(normal, 0.5),
                    QuantileText(normal, 0.99), QuantileText(boosted, 0.5),
                    QuantileText(boosted, 0.99)});
  }
  const Json actuator = stats.value("actuator", Json::object());
  return absl::StrCat(TextTable(rows), ActuatorText(actuator),
                      "programs: ", Number(stats, "recursion_misses"),
                      " events possibly missed: their programs already ran on that CPU\n");
}

namespace {

std::string CountRow(uint64_t count, absl::string_view meaning) {
  return absl::StrFormat("  %12d  %s\n", count, meaning);
}

std::string LossText(const Json& status) {
  return CountRow(Number(status, "events_lost"),
                  "events that no decision followed: too many came at once") +
         CountRow(Number(status, "recursion_misses"),
                  "events possibly missed: their programs already ran on that CPU");
}

std::string ExitText(const Json& status) {
  const std::string end = status.value("last_end", "");
  if (end.empty()) return "";
  std::string text = absl::StrCat("last ejected by the kernel: ", end, "\n");
  if (!ExitDump(status).empty()) {
    absl::StrAppend(&text, "its debug dump: pvschedctl scheduler dump, in the file ",
                    status["last_exit"].value("file", "?"), "\n");
  }
  return text;
}

}  // namespace

std::string ExitDump(const Json& status) {
  const auto exit = status.find("last_exit");
  return exit != status.end() && exit->is_object() ? exit->value("dump", "") : "";
}

std::string SchedulerTable(const Json& status) {
  if (!status.value("is_scheduler", false)) {
    return absl::StrCat("the host has its own scheduler; pvsched's actuator is ",
                        status.value("actuator", "?"), "\n", LossText(status), ExitText(status));
  }
  std::string text = "pvsched is the host's scheduler\n";
  const Json counts = status.value("counts", Json::object());
  for (const ScxCounterInfo& info : ScxCounterInfos()) {
    text += CountRow(Number(counts, info.name), info.meaning);
  }
  text += LossText(status);
  const Json events = status.value("kernel_events", Json::object());
  if (!events.empty()) text += "events that sched_ext counts\n";
  for (const auto& [name, count] : events.items()) text += CountRow(count.get<uint64_t>(), name);
  for (const Json& name : status.value("missing_callbacks", Json::array())) {
    absl::StrAppend(&text, "this kernel's sched_ext has no ops.", name.get<std::string>(), "()\n");
  }
  return text + ExitText(status);
}

std::string PolicyText(const Json& policy) { return policy.value("policy", "?") + "\n"; }

}  // namespace pvsched
