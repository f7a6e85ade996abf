// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The policy core, for a guest that writes any values, at any events, under any tunables that an
// admin can set and any policy. No grant is above the caps, and no window holds more boosted CPU
// time than the budgets and one interval between events.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "host-policy/core/default_policy.h"
#include "host-policy/core/policy.h"
#include "host-policy/core/sched_params.h"
#include "host-policy/daemon/tunables.h"
#include "tests/fuzz/fuzz.h"

namespace pvsched {
namespace {

constexpr uint64_t kTickNs =
    10'000'000;  // the longest interval between events of a thread that runs
constexpr uint64_t kSleepNs = 3'000'000'000;

// Of an admin. Nothing of the input's first byte: the defaults.
pvs_tunables TakeTunables(FuzzInput& input) {
  TunableValues values = DefaultTunables();
  for (uint8_t left = input.Take<uint8_t>() % 32; left > 0; --left) {
    const size_t index = input.InRange(0, values.size() - 1);
    const TunableInfo& info = TunableInfos()[index];
    values[index] = info.minimum +
                    static_cast<int64_t>(input.InRange(0, static_cast<uint64_t>(info.maximum) -
                                                              static_cast<uint64_t>(info.minimum)));
  }
  if (!CheckTunables(values, PVS_ACTUATOR_RT_PRIO).ok()) values = DefaultTunables();
  return ToPolicy(values);
}

// A vCPU, its thread, and the boosted CPU time of the last window.
class VcpuModel {
 public:
  explicit VcpuModel(const pvs_tunables& tunables) : tunables_(tunables) {}

  void Event(FuzzInput& input);
  // The guest registers the vCPU again.
  void RegisterAgain() {
    const pvs_vcpu old = vcpu_;
    vcpu_ = {};
    pvs_carry(&old, &vcpu_);
    cpu_ = 0;
  }
  void RestartIrqHold() { pvs_restart_irq_hold(&vcpu_, now_); }
  void CheckPlan(FuzzInput& input) const;

 private:
  struct Used {
    uint64_t at;
    uint64_t ns;
  };

  void Decide(const pvs_input& in, FuzzInput& input);
  void CheckGrant() const;
  void CheckBudget(uint64_t boosted_ns);

  const pvs_tunables tunables_;
  pvs_vcpu vcpu_ = {};
  uint64_t now_ = 1'000'000'000;
  uint64_t cpu_ = 0;
  std::deque<Used> window_;
  uint64_t in_window_ = 0;
};

void VcpuModel::Event(FuzzInput& input) {
  const auto flags = input.Take<uint8_t>();
  const bool has_run = (flags & 1) != 0;
  const uint64_t after = input.InRange(0, has_run ? kTickNs : kSleepNs);
  const bool was_boosted = vcpu_.state == PVS_BOOSTED;
  now_ += after;
  if (has_run) cpu_ += after;
  const auto event = input.Take<uint8_t>();
  const bool is_irq = (flags & 2) != 0 && (event == PVS_INJECT || event == PVS_KICK);
  const pvs_input in = {.event = event,
                        .critical = flags & 4u,
                        .now = now_,
                        .cpu_ns = cpu_,
                        .intent = input.Take<uint64_t>(),
                        .waiting = input.Take<uint64_t>(),
                        .urgent_count = input.Take<uint8_t>(),
                        .urgent_word = input.Take<uint32_t>(),
                        .irq_ack = (flags & 8) != 0 ? vcpu_.irq_ticket : input.Take<uint32_t>(),
                        .acks = flags & 16u,
                        .is_irq = is_irq,
                        .awaited = flags & 32u};
  if (is_irq || pvs_grant_still_valid(&vcpu_, &in) == 0) Decide(in, input);
  CheckGrant();
  CheckBudget(was_boosted && has_run ? after : 0);
}

void VcpuModel::Decide(const pvs_input& in, FuzzInput& input) {
  pvs_view view = {};
  if (pvs_begin(&tunables_, &vcpu_, &in, &view) == 0) return;
  const bool is_own_policy = (input.Take<uint8_t>() & 7) == 7;
  const uint64_t proposal = is_own_policy ? input.Take<uint64_t>() : pvs_default_policy(&view);
  Require(pvs_finish(&tunables_, &vcpu_, proposal) == vcpu_.grant, "the grant is stored");
}

void VcpuModel::CheckGrant() const {
  const uint64_t grant = vcpu_.grant;
  const uint32_t flags = pvsched_word_flags(grant);
  const uint32_t policy = pvsched_word_policy(grant);
  const int nice = pvsched_word_nice(grant);
  Require(pvs_sanitize(grant) == grant, "a grant is a valid priority word");
  Require(pvsched_word_rt_prio(grant) <= tunables_.max_rt_prio, "rt_prio is within its cap");
  Require(policy != PVSCHED_POLICY_DEADLINE, "no grant is DEADLINE");
  Require(policy != PVSCHED_POLICY_FIFO || tunables_.max_policy == PVSCHED_POLICY_FIFO,
          "FIFO needs a cap that allows FIFO");
  Require(policy != PVSCHED_POLICY_RR || tunables_.max_policy != PVSCHED_POLICY_NORMAL,
          "RR needs a cap that allows RR");
  Require(nice >= tunables_.min_nice || (flags & PVSCHED_GRANT_BOOSTED) == 0,
          "a boost's nice is within its cap");
  const bool is_boosted = (flags & PVSCHED_GRANT_BOOSTED) != 0;
  Require(is_boosted == (vcpu_.state == PVS_BOOSTED),
          "the state says whether the grant is a boost");
  Require(is_boosted || pvsched_urgency(grant) <= pvsched_urgency(0), "only a boost raises");
  Require(tunables_.mode != PVS_OFF || grant == 0, "mode off grants nothing");
}

void VcpuModel::CheckBudget(uint64_t boosted_ns) {
  window_.push_back({now_, boosted_ns});
  in_window_ += boosted_ns;
  while (window_.front().at + tunables_.window_ns <= now_) {
    in_window_ -= window_.front().ns;
    window_.pop_front();
    if (window_.empty()) break;
  }
  Require(in_window_ <= tunables_.budget_ns + tunables_.critical_budget_ns + 2 * kTickNs,
          "a window holds the budgets and one tick of each at most");
}

// Parameters as the kernel tells those of a thread.
sched_attr TakeAttr(FuzzInput& input) {
  sched_attr attr = {};
  static constexpr std::array<uint32_t, 6> kPolicies = {
      PVSCHED_POLICY_NORMAL, PVSCHED_POLICY_FIFO, PVSCHED_POLICY_RR,
      PVSCHED_POLICY_BATCH,  PVSCHED_POLICY_IDLE, PVSCHED_POLICY_DEADLINE};
  attr.sched_policy = kPolicies[input.InRange(0, kPolicies.size() - 1)];
  attr.sched_flags = input.Flag() ? PVS_FLAG_RESET_ON_FORK : 0;
  switch (attr.sched_policy) {
    case PVSCHED_POLICY_FIFO:
    case PVSCHED_POLICY_RR:
      attr.sched_priority = static_cast<uint32_t>(input.InRange(1, 99));
      break;
    case PVSCHED_POLICY_DEADLINE:
      attr.sched_runtime = input.Take<uint8_t>();
      break;
    default:
      attr.sched_nice = static_cast<int32_t>(input.InRange(0, 39)) - 20;
  }
  return attr;
}

// What an actuator does to a thread of any parameters: its baseline, what was applied, and its
// current ones.
void VcpuModel::CheckPlan(FuzzInput& input) const {
  const std::array<sched_attr, 3> attrs = {TakeAttr(input), TakeAttr(input), TakeAttr(input)};
  const bool is_applied = input.Flag();
  const pvs_apply_plan plan =
      pvs_plan_apply(&attrs[0], is_applied ? &attrs[1] : nullptr, &attrs[2], vcpu_.grant);
  const sched_attr& baseline = plan.is_new_baseline != 0 ? attrs[2] : attrs[0];
  const pvs_sched_params before = pvs_attr_params(&baseline);
  const pvs_sched_params after = pvs_attr_params(&plan.next);
  if (plan.is_granted == 0) {
    Require(pvs_attr_equal(&plan.next, &baseline) != 0, "without a grant the baseline applies");
    return;
  }
  const bool is_boost = (pvsched_word_flags(vcpu_.grant) & PVSCHED_GRANT_BOOSTED) != 0;
  Require(!is_boost || after.rt_prio <= tunables_.max_rt_prio,
          "a boosted thread is within the cap");
  Require(!is_boost || after.reset_on_fork != 0, "no child inherits a boost");
  Require(is_boost || after.rt_prio == 0, "a lowered thread has no real-time priority");
  Require(!is_boost || pvs_params_urgency(&after) >= pvs_params_urgency(&before),
          "a boost does not lower");
  Require(is_boost || pvs_params_urgency(&after) <= pvs_params_urgency(&before),
          "a lowering does not raise");
}

}  // namespace
}  // namespace pvsched

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pvsched::FuzzInput input(data, size);
  pvsched::VcpuModel vcpu(pvsched::TakeTunables(input));
  while (!input.is_empty()) {
    switch (input.Take<uint8_t>() % 16) {
      case 0:
        vcpu.RegisterAgain();
        break;
      case 1:
        vcpu.RestartIrqHold();
        break;
      case 2:
        vcpu.CheckPlan(input);
        break;
      default:
        vcpu.Event(input);
    }
  }
  return 0;
}
