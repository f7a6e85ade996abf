// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/metrics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "common/errno_status.h"
#include "common/unique_fd.h"

namespace pvsched {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Sample {
  std::string suffix{};  // after the family's name, without that of the type
  Labels labels{};
  std::string value{};
};

// A family as OpenMetrics has it: the suffix of its type is not in its name.
struct Family {
  const char* name;
  const char* type;  // counter, gauge, histogram, info
  const char* help;
  const char* unit = "";  // also the end of `name`
  std::vector<Sample> samples{};
};

uint64_t Number(const Json& json, const char* key) { return json.value(key, uint64_t{0}); }

std::string Count(uint64_t count) { return absl::StrCat(count); }

std::string Seconds(uint64_t ns) {
  return absl::StrFormat("%d.%09d", ns / 1'000'000'000, ns % 1'000'000'000);
}

std::string Escape(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}});
}

std::string LabelText(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    absl::StrAppend(&text, text.empty() ? "{" : ",", name, "=\"", Escape(value), "\"");
  }
  return text.empty() ? text : text + "}";
}

absl::string_view TypeSuffix(absl::string_view type) {
  if (type == "counter") return "_total";
  return type == "info" ? "_info" : "";
}

std::string FamilyText(const Family& family, MetricsFormat format) {
  const absl::string_view suffix = TypeSuffix(family.type);
  const bool is_open = format == MetricsFormat::kOpenMetrics;
  // The text format names the samples, and has no type for information.
  const std::string name = absl::StrCat(family.name, is_open ? "" : suffix);
  const bool is_gauge = !is_open && suffix == "_info";
  std::string text = absl::StrCat("# TYPE ", name, " ", is_gauge ? "gauge" : family.type, "\n");
  if (is_open && *family.unit != '\0') {
    absl::StrAppend(&text, "# UNIT ", name, " ", family.unit, "\n");
  }
  absl::StrAppend(&text, "# HELP ", name, " ", family.help, "\n");
  for (const Sample& sample : family.samples) {
    // OpenMetrics forbids the count of a histogram that has no sum.
    if (is_open && sample.suffix == "_count") continue;
    absl::StrAppend(&text, family.name, suffix, sample.suffix, LabelText(sample.labels), " ",
                    sample.value, "\n");
  }
  return text;
}

// A counter or gauge of the host.
Family HostFamily(const char* name, const char* type, const char* help, uint64_t value) {
  return {.name = name, .type = type, .help = help, .samples = {{.value = Count(value)}}};
}

// One counter for each member of `counts`.
Family ObjectFamily(const char* name, const char* help, const char* label, const Json& counts) {
  Family family = {.name = name, .type = "counter", .help = help};
  for (const auto& [key, count] : counts.items()) {
    family.samples.push_back({.labels = {{label, key}}, .value = Count(count.get<uint64_t>())});
  }
  return family;
}

Family StateFamily(const Json& vcpus) {
  std::map<std::string, uint64_t> counts = {
      {"boosted", 0}, {"normal", 0}, {"throttled", 0}, {"unbound", 0}};
  for (const Json& vcpu : vcpus) ++counts[vcpu.value("state", "?")];
  Family family = {.name = "pvsched_vcpus",
                   .type = "gauge",
                   .help = "vCPUs with a record, by state. An unbound vCPU has no known thread."};
  for (const auto& [state, count] : counts) {
    family.samples.push_back({.labels = {{"state", state}}, .value = Count(count)});
  }
  return family;
}

std::vector<Family> HostFamilies(const Json& stats) {
  const Json actuator = stats.value("actuator", Json::object());
  const Json scheduler = stats.value("scheduler", Json::object());
  return {
      {.name = "pvsched_actuator",
       .type = "info",
       .help = "How pvschedd applies grants: agent, kfunc or scx.",
       .samples = {{.labels = {{"name", actuator.value("name", "?")}}, .value = "1"}}},
      HostFamily("pvsched_actuator_changes", "counter",
                 "Changes of a thread's parameters. The actuator scx makes none.",
                 Number(actuator, "calls")),
      HostFamily("pvsched_actuator_failures", "counter", "Changes that the kernel refused.",
                 Number(actuator, "failures")),
      HostFamily("pvsched_actuator_deferred", "counter",
                 "Grants that were applied after their event, not inside it.",
                 Number(actuator, "deferred")),
      ObjectFamily("pvsched_refusals",
                   "What pvschedd refused to devices: hello is a VM, register a vCPU.", "request",
                   stats.value("refusals", Json::object())),
      HostFamily("pvsched_missed_events", "counter",
                 "Events possibly missed: their programs already ran on that CPU.",
                 Number(stats, "recursion_misses")),
      HostFamily("pvsched_scheduler_ends", "counter",
                 "How often the kernel ejected pvsched's scheduler since the host booted.",
                 Number(scheduler, "ends")),
      ObjectFamily("pvsched_scheduler_events", "Counters of pvsched's scheduler (scx).", "event",
                   scheduler.value("counts", Json::object())),
      HostFamily("pvsched_vms", "gauge", "VMs with a pvsched device.", Number(stats, "vms")),
      StateFamily(stats.value("vcpus", Json::array())),
  };
}

// Names that several VMs have. A label must tell these apart.
std::set<std::string> SharedNames(const Json& vcpus) {
  std::map<std::string, std::set<int64_t>> pids;
  for (const Json& vcpu : vcpus) {
    pids[vcpu.value("vm", "")].insert(vcpu.value("pid", int64_t{0}));
  }
  std::set<std::string> shared;
  for (const auto& [name, of_name] : pids) {
    if (of_name.size() > 1) shared.insert(name);
  }
  return shared;
}

// `counts` are of the buckets between `bounds_us`; the last bucket has no bound.
void AddHistogram(Family& family, const Labels& labels, const Json& counts, const Json& bounds_us) {
  uint64_t sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    sum += counts[i].get<uint64_t>();
    const bool is_last = i + 1 == counts.size() || i >= bounds_us.size();
    if (is_last && i + 1 < counts.size()) continue;
    Labels with_bound = labels;
    with_bound.emplace_back(
        "le", is_last ? "+Inf" : absl::StrFormat("%.9g", bounds_us[i].get<double>() * 1e-6));
    family.samples.push_back(
        {.suffix = "_bucket", .labels = std::move(with_bound), .value = Count(sum)});
  }
  if (!counts.empty()) {
    family.samples.push_back({.suffix = "_count", .labels = labels, .value = Count(sum)});
  }
}

struct VcpuCounter {
  const char* key;  // in the JSON
  const char* name;
  const char* help;
};

constexpr VcpuCounter kVcpuTimes[] = {
    {"cpu_ns", "pvsched_vcpu_cpu_seconds", "CPU time that the vCPU's thread used."},
    {"boosted_ns", "pvsched_vcpu_boosted_seconds", "CPU time that the vCPU used while boosted."},
};

constexpr VcpuCounter kVcpuCounts[] = {
    {"boosts", "pvsched_vcpu_boosts", "Boosts of the vCPU."},
    {"throttles", "pvsched_vcpu_throttles", "How often the vCPU exceeded a budget."},
    {"interrupts", "pvsched_vcpu_interrupts", "Interrupts for the vCPU that pvsched noticed."},
    {"events", "pvsched_vcpu_events", "Events of the vCPU, such as wake-ups and VM exits."},
    {"events_lost", "pvsched_vcpu_lost_events",
     "Events that no decision followed: too many came at once."},
};

std::vector<Family> VcpuFamilies(const Json& stats) {
  std::vector<Family> families;
  for (const VcpuCounter& counter : kVcpuTimes) {
    families.push_back(
        {.name = counter.name, .type = "counter", .help = counter.help, .unit = "seconds"});
  }
  for (const VcpuCounter& counter : kVcpuCounts) {
    families.push_back({.name = counter.name, .type = "counter", .help = counter.help});
  }
  Family wakeups = {.name = "pvsched_vcpu_wakeup_seconds",
                    .type = "histogram",
                    .help = "Latency from wake-up to run. There is no sum.",
                    .unit = "seconds"};
  const Json vcpus = stats.value("vcpus", Json::array());
  const Json bounds = stats.value("wakeup_bounds_us", Json::array());
  const std::set<std::string> shared = SharedNames(vcpus);
  for (const Json& vcpu : vcpus) {
    std::string vm = vcpu.value("vm", "");
    if (shared.contains(vm)) {
      vm = absl::StrCat(vm, " (process ", vcpu.value("pid", int64_t{0}), ")");
    }
    const Labels labels = {{"vm", vm}, {"vcpu", Count(Number(vcpu, "vcpu"))}};
    size_t index = 0;
    for (const VcpuCounter& counter : kVcpuTimes) {
      families[index++].samples.push_back(
          {.labels = labels, .value = Seconds(Number(vcpu, counter.key))});
    }
    for (const VcpuCounter& counter : kVcpuCounts) {
      families[index++].samples.push_back(
          {.labels = labels, .value = Count(Number(vcpu, counter.key))});
    }
    const Json histograms = vcpu.value("wakeup_us", Json::object());
    for (const auto& [key, is_boosted] : {std::pair{"normal", "false"}, {"boosted", "true"}}) {
      Labels with_boost = labels;
      with_boost.emplace_back("boosted", is_boosted);
      AddHistogram(wakeups, with_boost, histograms.value(key, Json::array()), bounds);
    }
  }
  families.push_back(std::move(wakeups));
  return families;
}

}  // namespace

std::string MetricsText(const Json& stats, MetricsFormat format) {
  std::string text;
  for (const Family& family : HostFamilies(stats)) text += FamilyText(family, format);
  for (const Family& family : VcpuFamilies(stats)) text += FamilyText(family, format);
  if (format == MetricsFormat::kOpenMetrics) text += "# EOF\n";
  return text;
}

absl::Status ReplaceFile(const std::string& path, const std::string& text) {
  // A new name beside it: the directory may belong to another user.
  std::string temporary = path + ".XXXXXX";
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, absl::StrCat("cannot create a file beside ", path));
  absl::Status status;
  errno = ENOSPC;  // write() that writes a part sets none
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      fchmod(fd.get(), 0644) != 0 || fsync(fd.get()) != 0 ||
      rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, absl::StrCat("cannot write ", path));
    unlink(temporary.c_str());
  }
  return status;
}

}  // namespace pvsched
