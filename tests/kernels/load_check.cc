// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// load-check: loads pvsched's BPF programs as pvschedd does, once for each actuator, and prints
// the kernel's answer as one line of JSON. It needs root and KVM's module. For each program it
// gives the number of instructions that the verifier processed. Under scx the host has
// pvsched's scheduler for a second.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/loader/bpf_object.h"
#include "host-policy/loader/scx_support.h"
#include "nlohmann/json.hpp"

namespace pvsched {
namespace {

using Json = nlohmann::json;

struct Actuator {
  const char* name;
  ActuatorKind kind;
};

constexpr Actuator kActuators[] = {
    {"agent", ActuatorKind::kAgent}, {"kfunc", ActuatorKind::kKfunc}, {"scx", ActuatorKind::kScx}};

std::set<uint32_t> ProgramIds() {
  std::set<uint32_t> ids;
  for (uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) ids.insert(id);
  return ids;
}

// bpf_prog_info has the first 15 characters of a name; the program's BTF has all.
std::string FullName(int program, const bpf_prog_info& info) {
  bpf_func_info function = {};
  bpf_prog_info query = {};
  uint32_t size = sizeof(query);
  query.nr_func_info = 1;
  query.func_info_rec_size = sizeof(function);
  query.func_info = reinterpret_cast<uintptr_t>(&function);
  std::string name(info.name);
  if (bpf_prog_get_info_by_fd(program, &query, &size) != 0) return name;
  btf* types = btf__load_from_kernel_by_id(info.btf_id);
  if (types == nullptr) return name;
  const btf_type* type = btf__type_by_id(types, function.type_id);
  if (type != nullptr) name = btf__name_by_offset(types, type->name_off);
  btf__free(types);
  return name;
}

// Name -> verified instructions of the programs that are not in `before`.
Json ProgramsSince(const std::set<uint32_t>& before) {
  Json programs = Json::object();
  for (const uint32_t id : ProgramIds()) {
    if (before.contains(id)) continue;
    const UniqueFd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info = {};
    uint32_t size = sizeof(info);
    if (!program || bpf_prog_get_info_by_fd(program.get(), &info, &size) != 0) continue;
    const std::string name = FullName(program.get(), info);
    // The others are libbpf's probes of the kernel's features.
    if (name.starts_with("pvs_")) programs[name] = info.verified_insns;
  }
  return programs;
}

absl::Status CheckSchedulerRuns(const BpfObject& bpf) {
  sleep(1);
  std::string state;
  std::ifstream("/sys/kernel/sched_ext/state") >> state;
  if (state == "enabled") return absl::OkStatus();
  return absl::InternalError(std::string("the kernel ended the scheduler: ") +
                             bpf.scx_exit().reason + ": " + bpf.scx_exit().message);
}

Json Load(const Actuator& actuator) {
  Json answer = {{"loads", false}, {"error", ""}, {"programs", Json::object()}};
  const std::set<uint32_t> before = ProgramIds();
  absl::Status status = actuator.kind == ActuatorKind::kScx ? CheckScxSupport() : absl::OkStatus();
  if (status.ok()) {
    absl::StatusOr<std::unique_ptr<BpfObject>> bpf = BpfObject::Load("", actuator.kind);
    status = bpf.status();
    if (bpf.ok()) {
      answer["programs"] = ProgramsSince(before);
      if (actuator.kind == ActuatorKind::kScx) {
        answer["missing_callbacks"] = (*bpf)->missing_callbacks();
        status = CheckSchedulerRuns(**bpf);
      }
    }
  }
  answer["loads"] = status.ok();
  answer["error"] = std::string(status.message());
  return answer;
}

int Main() {
  utsname kernel = {};
  uname(&kernel);
  Json answers = Json::object();
  for (const Actuator& actuator : kActuators) answers[actuator.name] = Load(actuator);
  const Json result = {{"kernel", kernel.release}, {"actuators", answers}};
  puts(result.dump(-1, ' ', true, Json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace
}  // namespace pvsched

int main() { return pvsched::Main(); }
