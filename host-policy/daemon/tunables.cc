// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/tunables.h"

#include <algorithm>
#include <utility>

#include "absl/base/log_severity.h"
#include "absl/log/globals.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "toml++/toml.hpp"

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

// RR 8 is what the first paravirtual scheduling patches used for a boost: above
// ordinary tasks, below threaded interrupts (FIFO 50). 700 of 1000 ms leaves
// ordinary tasks more than the kernel's own RT throttling would (950 ms).
const std::vector<TunableInfo>& TunableInfos() {
  static const auto* const infos = new std::vector<TunableInfo>{
      {"mode",
       "",
       "enforce; observe: decide and count, apply nothing; off: decide nothing",
       0,
       2,
       PVS_ENFORCE,
       {"enforce", "observe", "off"}},
      {"max-policy",
       "",
       "highest policy a vCPU thread may get; normal: no real-time at all",
       0,
       2,
       1,
       {"normal", "rr", "fifo"}},
      {"max-rt-prio", "", "highest real-time priority a vCPU thread may get", 0, 98, 8, {}},
      {"min-nice",
       "",
       "lowest nice value a vCPU thread may get; 0: none below its own",
       -20,
       0,
       0,
       {}},
      {"halt-rt-prio",
       "",
       "priority ahead of the wake-up of a vCPU with urgent work lately; 0: none",
       0,
       98,
       8,
       {}},
      {"irq-rt-prio",
       "",
       "priority at an interrupt for a vCPU with urgent work lately; 0: none",
       0,
       98,
       8,
       {}},
      {"critical-rt-prio",
       "",
       "priority of a vCPU preempted in a critical section; 0: none",
       0,
       98,
       1,
       {}},
      {"weight", "", "the VM's weight, for policies that rank VMs", 1, 10000, 100, {}},
      {"budget", "ms", "CPU time a vCPU may use boosted in any window", 0, 60000, 700, {}},
      {"critical-budget", "ms", "the same, while boosted for critical sections", 0, 60000, 50, {}},
      {"window", "ms", "the window of the budgets", 10, 60000, 1000, {}},
      {"throttle", "ms", "least time without a boost once over budget", 0, 60000, 50, {}},
      {"urgent-memory",
       "ms",
       "how long after urgent work a halt or an interrupt boosts ahead",
       0,
       60000,
       1000,
       {}},
      {"inject-hold",
       "us",
       "how long an interrupt that the guest has not acknowledged keeps a boost",
       0,
       1000000,
       1000,
       {}},
      {"boot-time",
       "ms",
       "age up to which a VM's threads go first among ordinary tasks, with scx; 0: never",
       0,
       60000,
       3000,
       {},
       /*is_hosts=*/true},
      {"log-level",
       "",
       "what pvschedd logs: this and what is graver",
       0,
       2,
       0,
       {"info", "warning", "error"},
       /*is_hosts=*/true},
  };
  return *infos;
}

std::string TunablesAsMarkdown() {
  std::string text =
      "| name | unit | default | range | what it does |\n| --- | --- | --- | --- | --- |\n";
  for (const TunableInfo& info : TunableInfos()) {
    const std::string range = info.words.empty() ? absl::StrCat(info.minimum, "..", info.maximum)
                                                 : absl::StrJoin(info.words, ", ");
    absl::StrAppend(&text, "| ", info.name, " | ", info.unit, " | ",
                    FormatTunable(info, info.default_value), " | ", range, " | ", info.help,
                    info.is_hosts ? " (the host's alone)" : "", " |\n");
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

uint64_t BootTimeNs(const TunableValues& values) {
  return static_cast<uint64_t>(values[kBootTime]) * 1000000;
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
      absl::StrCat("there is no tunable '", name, "'; there are ",
                   absl::StrJoin(infos, ", ", [](std::string* out, const TunableInfo& info) {
                     absl::StrAppend(out, info.name);
                   })));
}

absl::StatusOr<int64_t> ParseTunable(const TunableInfo& info, absl::string_view text) {
  if (!info.words.empty()) {
    const auto it = std::find(info.words.begin(), info.words.end(), text);
    if (it != info.words.end()) return it - info.words.begin();
    return absl::InvalidArgumentError(absl::StrCat(
        info.name, " is one of ", absl::StrJoin(info.words, ", "), ", not '", text, "'"));
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < info.minimum || value > info.maximum) {
    return absl::InvalidArgumentError(
        absl::StrCat(info.name, " is a whole number from ", info.minimum, " to ", info.maximum,
                     info.unit.empty() ? "" : " ", info.unit, ", not '", text, "'"));
  }
  return value;
}

std::string FormatTunable(const TunableInfo& info, int64_t value) {
  return info.words.empty() ? absl::StrCat(value)
                            : std::string(info.words[static_cast<size_t>(value)]);
}

absl::Status CheckTunables(const TunableValues& values) {
  for (Index budget : {kBudget, kCriticalBudget}) {
    if (values[budget] > values[kWindow]) {
      return absl::InvalidArgumentError(
          absl::StrCat(TunableInfos()[budget].name, " (", values[budget],
                       " ms) must not exceed window (", values[kWindow], " ms)"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TunableStore> TunableStore::FromFile(const std::string& path) {
  // noexcept parsing is a build option of the library; Debian's throws.
  toml::table file;
  try {
    file = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ":", error.source().begin.line, ": ", std::string(error.description())));
  }
  const auto fill = [&path](TunableStore& store, Section& section, const toml::table& table,
                            const std::string& where) -> absl::Status {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      absl::Status status;
      if (name == "uid" && &section != &store.host_) {
        const auto uid = node.value<int64_t>();
        if (uid && *uid >= 0) {
          section.uid = static_cast<uid_t>(*uid);
        } else {
          status = absl::InvalidArgumentError("uid is a user's number");
        }
      } else if (node.is_string()) {
        status = store.SetIn(section, name, *node.value<std::string>());
      } else if (node.is_integer()) {
        status = store.SetIn(section, name, absl::StrCat(*node.value<int64_t>()));
      } else {
        status = absl::InvalidArgumentError(absl::StrCat(name, " takes a number or a word"));
      }
      if (!status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ":", key.source().begin.line, ": ", where, " ", status.message()));
      }
    }
    return absl::OkStatus();
  };

  TunableStore store;
  for (const auto& [key, node] : file) {
    const toml::table* table = node.as_table();
    if (table != nullptr && key.str() == "host") {
      if (absl::Status status = fill(store, store.host_, *table, "[host]"); !status.ok()) {
        return status;
      }
    } else if (table != nullptr && key.str() == "vm") {
      for (const auto& [name, vm] : *table) {
        const toml::table* vm_table = vm.as_table();
        if (vm_table == nullptr) {
          return absl::InvalidArgumentError(
              absl::StrCat(path, ":", name.source().begin.line, ": write [vm.NAME]"));
        }
        const std::string vm_name(name.str());
        if (absl::Status status =
                fill(store, store.vms_[vm_name], *vm_table, absl::StrCat("[vm.", vm_name, "]"));
            !status.ok()) {
          return status;
        }
      }
    } else {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", key.source().begin.line, ": '",
                                                     std::string(key.str()),
                                                     "' is neither [host] nor [vm.NAME]"));
    }
  }
  if (absl::Status status = store.CheckAll(); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
  }
  return store;
}

TunableValues TunableStore::ForHost() const {
  TunableValues values = DefaultTunables();
  for (const auto& [index, value] : host_.values) values[index] = value;
  return values;
}

TunableValues TunableStore::ForVm(absl::string_view name, uid_t uid) const {
  TunableValues values = ForHost();
  const auto it = vms_.find(name);
  if (it == vms_.end() || (it->second.uid && *it->second.uid != uid)) return values;
  for (const auto& [index, value] : it->second.values) values[index] = value;
  return values;
}

absl::Status TunableStore::SetIn(Section& section, absl::string_view name, absl::string_view text) {
  absl::StatusOr<size_t> index = FindTunable(name);
  if (!index.ok()) return index.status();
  const TunableInfo& info = TunableInfos()[*index];
  if (info.is_hosts && &section != &host_) {
    return absl::InvalidArgumentError(
        absl::StrCat(info.name, " is the host's alone: set it without --vm, or under [host]"));
  }
  absl::StatusOr<int64_t> value = ParseTunable(info, text);
  if (!value.ok()) return value.status();
  section.values[*index] = *value;
  return absl::OkStatus();
}

absl::Status TunableStore::CheckAll() const {
  if (absl::Status status = CheckTunables(ForHost()); !status.ok()) return status;
  for (const auto& [name, section] : vms_) {
    absl::Status status = CheckTunables(ForVm(name, section.uid.value_or(0)));
    if (!status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("VM ", name, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status TunableStore::Set(absl::string_view vm, absl::string_view name,
                               absl::string_view text) {
  TunableStore changed = *this;
  Section& section = vm.empty() ? changed.host_ : changed.vms_[std::string(vm)];
  if (absl::Status status = changed.SetIn(section, name, text); !status.ok()) return status;
  if (absl::Status status = changed.CheckAll(); !status.ok()) return status;
  *this = std::move(changed);
  return absl::OkStatus();
}

}  // namespace pvsched
