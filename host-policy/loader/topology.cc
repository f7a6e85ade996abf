// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/topology.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/errno_status.h"

namespace pvsched {
namespace {

constexpr int kMaxCacheIndex = 16;
constexpr char kNoSmallCpus[] = "none";

// Where a CPU is. LLC and core are named by their first CPU.
struct Place {
  uint32_t node = 0;
  uint32_t llc = 0;
  uint32_t core = 0;
  uint32_t cpu = 0;

  auto Order() const { return std::tie(node, llc, core, cpu); }
};

std::string ReadLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<uint32_t> FirstId(const std::string& path) {
  const std::vector<uint32_t> ids = ParseIdList(ReadLine(path));
  if (ids.empty()) return std::nullopt;
  return ids.front();
}

// The first CPU that shares the CPU's cache of the highest level.
std::optional<uint32_t> FirstCpuOfLlc(const std::string& cpu_dir) {
  std::optional<uint32_t> first;
  int highest = 0;
  for (int index = 0; index < kMaxCacheIndex; ++index) {
    const std::string cache = absl::StrCat(cpu_dir, "/cache/index", index);
    int level = 0;
    if (!absl::SimpleAtoi(ReadLine(cache + "/level"), &level)) break;
    if (level < highest) continue;
    highest = level;
    first = FirstId(cache + "/shared_cpu_list");
  }
  return first;
}

absl::StatusOr<std::vector<uint32_t>> Ids(const std::string& path, uint32_t limit,
                                          absl::string_view what) {
  std::vector<uint32_t> ids = ParseIdList(ReadLine(path));
  if (ids.empty()) ids.push_back(0);
  if (ids.back() >= limit) {
    return absl::FailedPreconditionError(absl::StrCat("this host may have ", ids.back() + 1, " ",
                                                      what, "; the scheduler supports ", limit));
  }
  return ids;
}

std::vector<Place> ReadPlaces(const std::string& sysfs, const std::vector<uint32_t>& cpus,
                              const std::vector<uint32_t>& nodes) {
  constexpr uint32_t kUnknown = ~0u;
  std::vector<uint32_t> node_of(PVS_MAX_CPUS, kUnknown);
  for (const uint32_t node : nodes) {
    const std::string list =
        ReadLine(absl::StrCat(sysfs, "/devices/system/node/node", node, "/cpulist"));
    for (const uint32_t cpu : ParseIdList(list)) node_of[cpu] = node;
  }
  std::vector<Place> places;
  for (const uint32_t cpu : cpus) {
    const std::string dir = absl::StrCat(sysfs, "/devices/system/cpu/cpu", cpu);
    const Place before = places.empty() ? Place{} : places.back();
    places.push_back({.node = node_of[cpu] != kUnknown ? node_of[cpu] : before.node,
                      .llc = FirstCpuOfLlc(dir).value_or(before.llc),
                      .core = FirstId(dir + "/topology/thread_siblings_list").value_or(cpu),
                      .cpu = cpu});
  }
  std::ranges::sort(places, [](const Place& a, const Place& b) { return a.Order() < b.Order(); });
  return places;
}

void Extend(pvs_cpu_span& span, uint32_t position) {
  if (span.nr == 0) span.first = static_cast<uint16_t>(position);
  ++span.nr;
}

// Chains the CPUs of each core in a ring. `places` are in order, so a core's are neighbours.
void LinkSiblings(const std::vector<Place>& places, pvs_topology& topology) {
  for (size_t first = 0, end = 0; first < places.size(); first = end) {
    end = first + 1;
    while (end < places.size() && places[end].core == places[first].core) ++end;
    for (size_t i = first; i < end; ++i) {
      const size_t next = i + 1 < end ? i + 1 : first;
      topology.sibling_of[places[i].cpu] = static_cast<uint16_t>(places[next].cpu);
    }
    if (end - first > 1) topology.has_smt = 1;
  }
}

void MarkSmallCpus(const std::vector<uint32_t>& small, size_t nr_cpus, pvs_topology& topology) {
  if (small.size() >= nr_cpus) return;
  for (const uint32_t cpu : small) topology.is_small[cpu] = 1;
  topology.nr_small = static_cast<uint32_t>(small.size());
}

std::vector<uint32_t> SmallCpus(const std::string& sysfs, const std::string& small_cpus) {
  if (small_cpus != kAutoSmallCpus) return ParseIdList(small_cpus);
  return ParseIdList(ReadLine(sysfs + "/devices/cpu_atom/cpus"));
}

}  // namespace

absl::Status CheckSmallCpus(const std::string& text) {
  if (text == kAutoSmallCpus || text == kNoSmallCpus) return absl::OkStatus();
  if (text.find_first_not_of("0123456789,-") == std::string::npos && !ParseIdList(text).empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("needs a list of CPUs such as 8-15, ",
                                                 kNoSmallCpus, " or ", kAutoSmallCpus, ", not '",
                                                 text, "'"));
}

std::vector<uint32_t> ParseIdList(absl::string_view list) {
  std::vector<uint32_t> ids;
  for (const absl::string_view range : absl::StrSplit(list, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(range, '-');
    uint32_t first = 0;
    uint32_t last = 0;
    if (!absl::SimpleAtoi(ends.front(), &first) || !absl::SimpleAtoi(ends.back(), &last)) continue;
    for (uint32_t id = first; id <= last && id < PVS_MAX_CPUS; ++id) ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<pvs_topology> ReadTopology(const std::string& sysfs, const std::string& small_cpus) {
  ASSIGN_OR_RETURN(const std::vector<uint32_t> cpus,
                   Ids(sysfs + "/devices/system/cpu/possible", PVS_MAX_CPUS, "CPUs"));
  ASSIGN_OR_RETURN(const std::vector<uint32_t> nodes,
                   Ids(sysfs + "/devices/system/node/possible", PVS_MAX_NODES, "nodes"));
  pvs_topology topology = {};
  topology.nr_cpus = cpus.back() + 1;
  topology.nr_nodes = nodes.back() + 1;
  uint32_t position = 0;
  const Place* before = nullptr;
  const std::vector<Place> places = ReadPlaces(sysfs, cpus, nodes);
  for (const Place& place : places) {
    if (before == nullptr || before->node != place.node || before->llc != place.llc) {
      if (topology.nr_llcs == PVS_MAX_LLCS) {
        return absl::FailedPreconditionError(absl::StrCat(
            "this host has more than ", PVS_MAX_LLCS, " last-level caches, the scheduler's limit"));
      }
      topology.node_of_llc[topology.nr_llcs] = static_cast<uint16_t>(place.node);
      Extend(topology.node_llcs[place.node], topology.nr_llcs);
      ++topology.nr_llcs;
    }
    const uint32_t llc = topology.nr_llcs - 1;
    topology.llc_of[place.cpu] = static_cast<uint16_t>(llc);
    topology.position_of[place.cpu] = static_cast<uint16_t>(position);
    topology.order[position] = static_cast<uint16_t>(place.cpu);
    Extend(topology.llcs[llc], position);
    Extend(topology.nodes[place.node], position);
    ++position;
    before = &place;
  }
  LinkSiblings(places, topology);
  MarkSmallCpus(SmallCpus(sysfs, small_cpus), cpus.size(), topology);
  return topology;
}

}  // namespace pvsched
