// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/scx_params.h"

#include "absl/log/check.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "host-policy/loader/bpf_variables.h"
#include "host-policy/loader/own_objects.h"

namespace pvsched {
namespace {

// A row repeats the comment above its PVS_PARAM(); tests/unit/scx_params_test.cc compares them.
struct Row {
  const char* name;
  const char* unit;
  int64_t minimum;
  int64_t maximum;
  const char* help;
};

constexpr Row kRows[] = {
    {"slice-max", "us", 1000, 100000,
     "The longest slice of an ordinary task, used while no other task is queued."},
    {"slice-min", "us", 100, 100000, "The shortest slice of an ordinary task."},
    {"lag-max", "us", 1000, 1000000,
     "The most credit that sleep earns, and the largest debt that a task keeps, while no task is "
     "queued."},
    {"lag-half-queue", "tasks", 1, 1024,
     "With this many queued tasks per CPU the largest debt is half of lag-max."},
    {"burst-queue-min", "tasks", 1, 1024,
     "From this many queued tasks per CPU on, short bursts count less in the order."},
    {"wakeups-full-credit", "wake-ups", 1, 1000,
     "A task with this many wake-ups per second earns all of lag-max by sleep."},
    {"bw-debt-max", "ms", 100, 5000, "The longest throttling for one debt."},
    {"boot-boost-age", "ms", 100, 3600000,
     "The age of a VM at which its boot boost ends, whatever CPU time is left."},
    {"boot-boost-window", "ms", 100, 3600000, "The time in which an empty pool fills up."},
    {"boot-boost-user-share", "percent", 1, 100,
     "The share of the host's CPU time that VMs created by one user may have boosted, averaged "
     "over "
     "boot-boost-window."},
    {"boot-boost-share", "percent", 1, 100, "The same share for the VMs of all users."},
    {"urgent-slice", "us", 500, 100000, "The slice of an urgent vCPU."},
    {"short-burst", "us", 0, 1000,
     "Two tasks that use the CPU for less than this at a time and wake each other on one CPU share "
     "a slice-min there, without a queue."},
    {"critical-slice", "us", 100, 100000,
     "How long a vCPU in a critical section keeps its CPU before the policy is asked again."},
    {"preempt-gap", "us", 0, 100000, "vCPUs preempt one CPU at most once in this time."},
    {"victim-max-scan", "CPUs", 1, 1024,
     "The victim search compares this many CPUs of the LLC, then of the node, then of all."},
    {"balance-interval", "us", 1000, 1000000,
     "One CPU of each LLC compares the lengths of the LLCs' queues once in this time, and takes "
     "one task from a longer queue."},
    {"node-delay", "us", 0, 1000000,
     "Tasks wait at least this long in their own node before an idle CPU of another node takes "
     "one."},
    {"idle-recheck", "us", 0, 1000,
     "A CPU that goes idle looks once more for tasks if one was queued within this time: it may "
     "have arrived during the first look."},
    {"starvation-time", "us", 1000, 1000000,
     "The starvation guard acts when urgent vCPUs have left ordinary tasks less than "
     "starvation-share of a CPU for this long."},
    {"starvation-share", "us", 100, 1000000,
     "The CPU time that ordinary tasks get in each starvation-time."},
    {"starvation-tail-every", "turns", 1, 1024,
     "Each time that the guard has acted this often, it dispatches the tail of the LLC's queue, "
     "not the head."},
    {"kthread-reenq-max", "times", 1, 200,
     "A pinned kernel thread that RT preempts is re-enqueued on its CPU at most this often."},
    {"tail-interval", "us", 1000, 10000000,
     "The interval between two checks of the tail of an LLC's queue."},
    {"tail-lags", "lags", 1, 64,
     "The tail is dispatched out of order if its key is later than the virtual time by this many "
     "times the largest debt."},
    {"balance-max", "tasks", 1, 1024,
     "A CPU's pinned tasks and its LLC's queue take turns by their lengths."},
    {"bw-max-scan", "tasks", 1, 1024,
     "The depth to which the queue of throttled tasks is searched for a task whose period has "
     "ended."},
    {"bw-retry", "us", 100, 1000000,
     "The timer for throttled tasks fires again after this time, because the CPU that it kicked "
     "may have been late or busy."},
    {"bw-kernel-timer", "boolean", 0, 1,
     "The timer for throttled tasks is one of the kernel, else one of pvschedd."},
    {"rt-reenq-delay", "us", 0, 1000000,
     "A task that RT preempted stays on its CPU's local DSQ for this long, then another CPU's tick "
     "re-enqueues it."},
    {"cosched-window", "us", 0, 100000,
     "A vCPU whose VM runs on another CPU is dispatched before vCPUs whose keys are earlier by no "
     "more than this."},
    {"cosched-max-scan", "tasks", 1, 64,
     "The depth to which a queue is searched for a vCPU to co-schedule."},
    {"boot-boost-weight", "times", 1, 100,
     "The factor on the weight of a VM's threads during the boot boost."},
    {"offline-max-scan", "tasks", 1, 1000000,
     "The number of tasks that are moved off a CPU that goes offline."},
    {"cpuperf-interval", "us", 1000, 1000000,
     "A CPU's use is measured over this time for cpufreq's governor schedutil, which then chooses "
     "the frequency."},
    {"cpuperf-min", "percent", 0, 100,
     "The least performance that is asked of schedutil, in percent of a CPU's highest."},
    {"urgent-sibling", "mode", 0, 2,
     "What the other hardware thread of a core runs while an urgent vCPU is on the core: 0 any "
     "task, 1 vCPUs of the same VM, 2 nothing."},
};

const Row* FindRow(absl::string_view name) {
  for (const Row& row : kRows) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

// The variable holds times in ns, and counts as they are.
int64_t Scale(const Row& row) {
  const absl::string_view unit = row.unit;
  return unit == "us" ? 1'000 : unit == "ms" ? 1'000'000 : 1;
}

std::string Variable(const Row& row) {
  return absl::StrCat("pvs_param_", absl::StrReplaceAll(row.name, {{"-", "_"}}));
}

absl::Status UnknownParam(absl::string_view name) {
  return absl::InvalidArgumentError(absl::StrCat("the scheduler has no parameter '", name, "'"));
}

std::vector<ScxParamInfo> ReadInfos() {
  const BpfObjectPtr scheduler = OpenBpfObject(ScxObject());
  CHECK(scheduler != nullptr) << "libbpf refuses the scheduler's BPF object";
  std::vector<ScxParamInfo> infos;
  for (const Row& row : kRows) {
    const absl::StatusOr<int64_t> value = InitialValue(*scheduler, Variable(row));
    CHECK_OK(value);
    infos.push_back({.name = row.name,
                     .unit = row.unit,
                     .help = row.help,
                     .minimum = row.minimum,
                     .maximum = row.maximum,
                     .default_value = *value / Scale(row)});
  }
  return infos;
}

}  // namespace

const std::vector<ScxParamInfo>& ScxParamInfos() {
  static const std::vector<ScxParamInfo> infos = ReadInfos();
  return infos;
}

absl::Status SetScxParam(ScxParams& params, absl::string_view name, absl::string_view text) {
  const Row* row = FindRow(name);
  if (row == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the scheduler has no parameter '", name, "'"));
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < row->minimum || value > row->maximum) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the scheduler's parameter ", name, " is '", text, "': it must be a whole number from ",
        row->minimum, " to ", row->maximum, " ", row->unit));
  }
  params[std::string(name)] = value;
  return absl::OkStatus();
}

absl::Status ApplyScxParams(const ScxParams& params, const bpf_object& scheduler) {
  for (const auto& [name, value] : params) {
    const Row* row = FindRow(name);
    if (row == nullptr) return UnknownParam(name);
    if (absl::Status status = SetInitialValue(scheduler, Variable(*row), value * Scale(*row));
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace pvsched
