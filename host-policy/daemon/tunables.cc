// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/tunables.h"

#include <algorithm>

#include "absl/base/log_severity.h"
#include "absl/log/globals.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pvsched {
namespace {

// The order of TunableInfos().
enum Index : size_t {
  kMode,
  kMaxPolicy,
  kMaxRtPrio,
  kMinNice,
  kHaltRtPrio,
  kIrqRtPrio,
  kCriticalRtPrio,
  kWeight,
  kBudget,
  kCriticalBudget,
  kWindow,
  kThrottle,
  kUrgentMemory,
  kInjectHold,
  kBootTime,
  kLogLevel,
};

constexpr uint64_t kMs = 1000000;
constexpr uint64_t kUs = 1000;

}  // namespace

// max-rt-prio: the first paravirtual scheduling patches boosted to RR 8. It is
// above ordinary tasks and below threaded interrupts (FIFO 50). budget: 700 of
// 1000 ms leaves ordinary tasks more than the kernel's RT throttling, which
// lets RT tasks have 950 ms.
const std::vector<TunableInfo>& TunableInfos() {
  // name, unit, help, minimum, maximum, default, choices, is_host_only
  static const auto* const infos = new std::vector<TunableInfo>{
      {"mode",
       "",
       "enforce: apply grants; observe: compute and count them only; off: compute none",
       0,
       2,
       PVS_ENFORCE,
       {"enforce", "observe", "off"}},
      {"max-policy",
       "",
       "highest policy that a vCPU thread can get; normal: no real-time policy",
       0,
       2,
       1,
       {"normal", "rr", "fifo"}},
      {"max-rt-prio", "",
       "highest real-time priority that a vCPU thread can get; less than agent-priority", 0, 98, 8},
      {"min-nice", "", "lowest nice value that a vCPU thread can get; 0: no boost by nice", -20, 0,
       0},
      {"halt-rt-prio", "",
       "highest priority at a halt, ahead of the wake-up, within urgent-memory; 0: none", 0, 98, 8},
      {"irq-rt-prio", "", "highest priority at an interrupt, within urgent-memory; 0: none", 0, 98,
       8},
      {"critical-rt-prio", "",
       "priority of a vCPU preempted in a critical section that another awaits; 0: none", 0, 98, 1},
      {"weight", "", "weight of the VM, for policies that rank VMs", 1, 10000, 100},
      {"budget", "ms", "boosted CPU time that a vCPU can use in a window", 0, 60000, 700},
      {"critical-budget", "ms",
       "CPU time that a vCPU can use in a window while boosted for critical sections", 0, 60000,
       50},
      {"window", "ms", "length of the window of both budgets", 10, 60000, 1000},
      {"throttle", "ms", "least time without a boost after a vCPU has exceeded a budget", 0, 60000,
       50},
      {"urgent-memory", "ms",
       "time after urgent work in which a halt or an interrupt boosts the vCPU", 0, 60000, 1000},
      {"inject-hold", "us",
       "longest time that an interrupt the guest has not acknowledged keeps a boost", 0, 1000000,
       1000},
      {"boot-time",
       "ms",
       "boot boost: CPU time that a new VM's threads use before other ordinary tasks (scx); 0: "
       "none",
       0,
       600000,
       30000,
       {},
       /*is_host_only=*/true},
      {"log-level",
       "",
       "lowest severity that is logged",
       0,
       2,
       0,
       {"info", "warning", "error"},
       /*is_host_only=*/true},
  };
  return *infos;
}

std::string TunablesAsMarkdown() {
  std::string text =
      "| name | unit | default | range | description |\n| --- | --- | --- | --- | --- |\n";
  for (const TunableInfo& info : TunableInfos()) {
    const std::string range = info.choices.empty() ? absl::StrCat(info.minimum, "..", info.maximum)
                                                   : absl::StrJoin(info.choices, ", ");
    absl::StrAppend(&text, "| ", info.name, " | ", info.unit, " | ",
                    FormatTunable(info, info.default_value), " | ", range, " | ", info.help,
                    info.is_host_only ? " (host only)" : "", " |\n");
  }
  return text;
}

TunableValues DefaultTunables() {
  TunableValues values;
  for (const TunableInfo& info : TunableInfos()) values.push_back(info.default_value);
  return values;
}

pvs_tunables ToPolicy(const TunableValues& values) {
  static constexpr uint32_t kPolicies[] = {PVSCHED_POLICY_NORMAL, PVSCHED_POLICY_RR,
                                           PVSCHED_POLICY_FIFO};
  const auto u32 = [&values](Index index) { return static_cast<uint32_t>(values[index]); };
  const auto ns = [&values](Index index, uint64_t unit) {
    return static_cast<uint64_t>(values[index]) * unit;
  };
  return {
      .mode = u32(kMode),
      .max_policy = kPolicies[values[kMaxPolicy]],
      .max_rt_prio = u32(kMaxRtPrio),
      .min_nice = static_cast<int32_t>(values[kMinNice]),
      .halt_rt_prio = u32(kHaltRtPrio),
      .irq_rt_prio = u32(kIrqRtPrio),
      .critical_rt_prio = u32(kCriticalRtPrio),
      .weight = u32(kWeight),
      .budget_ns = ns(kBudget, kMs),
      .critical_budget_ns = ns(kCriticalBudget, kMs),
      .window_ns = ns(kWindow, kMs),
      .throttle_ns = ns(kThrottle, kMs),
      .urgent_memory_ns = ns(kUrgentMemory, kMs),
      .inject_hold_ns = ns(kInjectHold, kUs),
  };
}

uint64_t BootBoostNs(const TunableValues& values) {
  return static_cast<uint64_t>(values[kBootTime]) * kMs;
}

void ApplyLogLevel(const TunableValues& values) {
  static constexpr absl::LogSeverityAtLeast kLevels[] = {absl::LogSeverityAtLeast::kInfo,
                                                         absl::LogSeverityAtLeast::kWarning,
                                                         absl::LogSeverityAtLeast::kError};
  absl::SetMinLogLevel(kLevels[values[kLogLevel]]);
}

absl::StatusOr<size_t> FindTunable(absl::string_view name) {
  const auto& infos = TunableInfos();
  for (size_t i = 0; i < infos.size(); ++i) {
    if (infos[i].name == name) return i;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no tunable '", name, "'; the tunables are ",
                   absl::StrJoin(infos, ", ", [](std::string* out, const TunableInfo& info) {
                     absl::StrAppend(out, info.name);
                   })));
}

absl::StatusOr<int64_t> ParseTunable(const TunableInfo& info, absl::string_view text) {
  if (!info.choices.empty()) {
    const auto it = std::find(info.choices.begin(), info.choices.end(), text);
    if (it != info.choices.end()) return it - info.choices.begin();
    return absl::InvalidArgumentError(absl::StrCat(
        info.name, " is one of ", absl::StrJoin(info.choices, ", "), ", not '", text, "'"));
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < info.minimum || value > info.maximum) {
    return absl::InvalidArgumentError(
        absl::StrCat(info.name, " is an integer from ", info.minimum, " to ", info.maximum,
                     info.unit.empty() ? "" : " ", info.unit, ", not '", text, "'"));
  }
  return value;
}

std::string FormatTunable(const TunableInfo& info, int64_t value) {
  return info.choices.empty() ? absl::StrCat(value)
                              : std::string(info.choices[static_cast<size_t>(value)]);
}

absl::Status CheckTunables(const TunableValues& values, int actuator_priority) {
  if (values[kMaxRtPrio] >= actuator_priority) {
    return absl::InvalidArgumentError(absl::StrCat(
        TunableInfos()[kMaxRtPrio].name, " (", values[kMaxRtPrio],
        ") must be below the priority of the thread that ends boosts (", actuator_priority,
        "): lower it, or raise agent-priority with actuator agent"));
  }
  for (Index budget : {kBudget, kCriticalBudget}) {
    if (values[budget] > values[kWindow]) {
      return absl::InvalidArgumentError(
          absl::StrCat(TunableInfos()[budget].name, " (", values[budget],
                       " ms) must not exceed window (", values[kWindow], " ms)"));
    }
  }
  return absl::OkStatus();
}

}  // namespace pvsched
