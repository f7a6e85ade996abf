// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/admin_json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "host-policy/daemon/scx_counters.h"

namespace pvsched {
namespace {

using Json = nlohmann::ordered_json;

const char* StateName(uint32_t state) {
  switch (state) {
    case PVS_BOOSTED:
      return "boosted";
    case PVS_THROTTLED:
      return "throttled";
    default:
      return "normal";
  }
}

const char* EventName(uint32_t event) {
  static constexpr const char* kNames[] = {"?",    "exit",  "halt", "inject",  "wake",   "preempt",
                                           "tick", "timer", "kick", "resched", "awaited"};
  return event < std::size(kNames) ? kNames[event] : "?";
}

// A priority word as text: "rr 8", "nice 5", "idle".
std::string PriorityText(uint64_t word) {
  const uint32_t policy = pvsched_word_policy(word);
  switch (policy) {
    case PVSCHED_POLICY_FIFO:
    case PVSCHED_POLICY_RR:
      return absl::StrCat(PolicyName(policy), " ", pvsched_word_rt_prio(word));
    case PVSCHED_POLICY_NORMAL:
      return absl::StrCat("nice ", pvsched_word_nice(word));
    default:
      return PolicyName(policy);
  }
}

std::string GrantText(uint64_t grant) {
  const uint32_t flags = pvsched_word_flags(grant);
  if ((flags & PVSCHED_GRANT_THROTTLED) != 0) return "throttled";
  if ((flags & PVSCHED_GRANT_BOOSTED) != 0) return absl::StrCat("boosted to ", PriorityText(grant));
  if ((flags & PVSCHED_GRANT_LOWERED) != 0) return absl::StrCat("lowered to ", PriorityText(grant));
  return "baseline";
}

std::string Reason(const pvs_trace& trace) {
  const uint64_t intent = pvs_sanitize(trace.intent);
  const uint64_t waiting = pvs_sanitize(trace.waiting);
  const uint32_t flags = pvsched_word_flags(intent);
  std::string text = EventName(trace.event);
  absl::StrAppend(&text, (flags & PVSCHED_INTENT_IDLE) != 0
                             ? std::string(": idle")
                             : absl::StrCat(": runs ", PriorityText(intent)));
  if ((pvsched_word_flags(waiting) & PVSCHED_WAITING_VALID) != 0) {
    absl::StrAppend(&text, ", ", PriorityText(waiting), " waits");
  }
  if ((flags & PVS_INTENT_IRQ) != 0) absl::StrAppend(&text, ", in an interrupt");
  if (trace.critical != 0) absl::StrAppend(&text, ", preemption off");
  return text;
}

Json ParamsToJson(const pvs_sched_params& params) {
  return {
      {"policy", PolicyName(params.policy)}, {"rt_prio", params.rt_prio}, {"nice", params.nice}};
}

}  // namespace

std::string TextField(const Json& request, const char* name) {
  const auto it = request.find(name);
  return it != request.end() && it->is_string() ? it->get<std::string>() : std::string();
}

nlohmann::ordered_json VmToJson(const Vm& vm) {
  size_t bound = 0;
  for (const auto& [id, vcpu] : vm.vcpus) bound += vcpu.tid != 0 ? 1 : 0;
  return {{"vm", vm.name},
          {"pid", vm.pid},
          {"uid", vm.uid},
          {"vcpus", vm.vcpus.size()},
          {"bound", bound}};
}

nlohmann::ordered_json VcpuToJson(const Vm& vm, const Vcpu& vcpu, const pvs_slot& slot,
                                  Actuator& actuator) {
  Json json = {{"vm", vm.name}, {"pid", vm.pid}, {"vcpu", vcpu.id}, {"tid", nullptr}};
  if (vcpu.tid == 0) {
    json["state"] = "unbound";
    return json;
  }
  const Actuator::Applied applied = actuator.applied(vcpu.slot);
  json["tid"] = vcpu.tid;
  json["state"] = StateName(slot.vcpu.state);
  json["applied"] = ParamsToJson(applied.current);
  json["baseline"] = ParamsToJson(applied.baseline);
  json["boosts"] = slot.vcpu.boosts;
  json["throttles"] = slot.vcpu.throttles;
  json["boosted_ns"] = slot.vcpu.boosted_ns;
  return json;
}

nlohmann::ordered_json VcpuStatsToJson(const Vm& vm, const Vcpu& vcpu, const pvs_slot& slot) {
  return {{"vm", vm.name},
          {"pid", vm.pid},
          {"vcpu", vcpu.id},
          {"state", vcpu.tid == 0 ? "unbound" : StateName(slot.vcpu.state)},
          {"cpu_ns", slot.vcpu.cpu_ns},
          {"boosts", slot.vcpu.boosts},
          {"throttles", slot.vcpu.throttles},
          {"boosted_ns", slot.vcpu.boosted_ns},
          {"interrupts", slot.vcpu.irq_ticket},
          {"events", slot.events},
          {"events_lost", slot.lost},
          {"wakeup_us", {{"normal", slot.wakeup_us[0]}, {"boosted", slot.wakeup_us[1]}}}};
}

nlohmann::ordered_json WakeupBoundsUs() {
  Json bounds = Json::array();
  for (int i = 1; i < PVS_BUCKETS; ++i) bounds.push_back(1u << i);
  return bounds;
}

nlohmann::ordered_json RefusalsToJson(const Refusals& refusals) {
  return {{"hello", refusals.hello},
          {"register", refusals.registrations},
          {"other", refusals.requests},
          {"malformed", refusals.malformed},
          {"connection", refusals.connections}};
}

nlohmann::ordered_json ScxCountsToJson(const pvs_scx_counts& counts) {
  Json json = Json::object();
  for (const ScxCounterInfo& info : ScxCounterInfos()) json[info.name] = counts.*info.field;
  return json;
}

nlohmann::ordered_json ScxExitToJson(const ScxExit& exit, const std::string& path) {
  return {{"time", exit.time}, {"reason", exit.reason}, {"message", exit.message},
          {"kind", exit.kind}, {"code", exit.code},     {"file", path},
          {"dump", exit.dump}};
}

nlohmann::ordered_json TraceToJson(const Vm& vm, const Vcpu& vcpu, const pvs_trace& trace) {
  return {{"ns", trace.now},
          {"vm", vm.name},
          {"pid", vm.pid},
          {"vcpu", vcpu.id},
          {"tid", vcpu.tid},
          {"event", EventName(trace.event)},
          {"reason", Reason(trace)},
          {"before", GrantText(trace.before)},
          {"grant", GrantText(trace.grant)},
          {"boost_used_ns", trace.boost_used_ns}};
}

}  // namespace pvsched
