// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_UNIT_POLICY_FIXTURE_H_
#define PVSCHED_TESTS_UNIT_POLICY_FIXTURE_H_

#include <cstdint>

#include "gtest/gtest.h"
#include "host-policy/core/default_policy.h"
#include "host-policy/core/policy.h"
#include "host-policy/daemon/tunables.h"

namespace pvsched {

inline constexpr uint64_t kMs = 1000000;
inline constexpr uint64_t kOrdinary = 0;
inline const uint64_t kRr80 = pvsched_word(PVSCHED_POLICY_RR, 0, 80, 0);
inline const uint64_t kRr3 = pvsched_word(PVSCHED_POLICY_RR, 0, 3, 0);
inline const uint64_t kIdle = pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, PVSCHED_INTENT_IDLE);
inline const uint64_t kSoftirq = pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, PVSCHED_INTENT_SOFTIRQ);

// A vCPU under the default policy, with the default tunables.
class PolicyTest : public testing::Test {
 protected:
  // An event `after` the last one. If `busy`, the vCPU ran all that time.
  uint64_t On(uint32_t event, uint64_t intent, uint64_t waiting = 0, uint64_t after = kMs,
              bool busy = true) {
    now_ += after;
    if (busy) cpu_ += after;
    return Decide(Input(event, intent, waiting));
  }
  pvs_input Input(uint32_t event, uint64_t intent, uint64_t waiting = 0) const {
    return {.event = event,
            .critical = critical_,
            .now = now_,
            .cpu_ns = cpu_,
            .intent = intent,
            .waiting = waiting,
            .urgent_count = urgent_count_,
            .urgent_word = urgent_word_,
            .irq_ack = irq_ack_,
            .acks = acks_,
            .is_irq = event == PVS_INJECT ? 1u : 0u,
            .awaited = event == PVS_AWAITED ? 1u : awaited_};
  }
  // What on_event() does, without the maps.
  uint64_t Decide(const pvs_input& input) {
    pvs_view view = {};
    if (pvs_begin(&tunables_, &vcpu_, &input, &view) != 0) {
      pvs_finish(&tunables_, &vcpu_, pvs_default_policy(&view));
    }
    return vcpu_.grant;
  }
  bool StillValid(uint32_t event, uint64_t cpu_ns, uint64_t intent, uint64_t waiting) {
    pvs_input input = Input(event, intent, waiting);
    input.cpu_ns = cpu_ns;
    return pvs_grant_still_valid(&vcpu_, &input) != 0;
  }

  // A real-time task with this priority word ran and left the CPU.
  void RanUrgent(uint64_t word) {
    urgent_word_ = static_cast<uint32_t>(word);
    ++urgent_count_;
  }

  static uint64_t Boost(uint32_t policy, uint32_t rt_prio) {
    return pvsched_word(policy, 0, rt_prio, PVSCHED_GRANT_BOOSTED);
  }
  static uint64_t Waiting(uint64_t word) {
    return word | uint64_t{PVSCHED_WAITING_VALID} << PVSCHED_WORD_FLAGS_SHIFT;
  }

  static uint64_t Lowered(uint32_t policy, int nice) {
    return pvsched_word(policy, nice, 0, PVSCHED_GRANT_LOWERED);
  }
  uint64_t Critical() const {
    return pvsched_word(PVSCHED_POLICY_RR, 0, tunables_.critical_rt_prio,
                        PVSCHED_GRANT_BOOSTED | PVSCHED_GRANT_CRITICAL);
  }

  pvs_tunables tunables_ = ToPolicy(DefaultTunables());
  pvs_vcpu vcpu_ = {};
  uint64_t now_ = 1000 * kMs;
  uint64_t cpu_ = 0;
  uint32_t critical_ = 0;
  uint32_t awaited_ = 0;
  uint32_t urgent_count_ = 0;
  uint32_t urgent_word_ = 0;
  uint32_t irq_ack_ = 0;
  uint32_t acks_ = 0;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_UNIT_POLICY_FIXTURE_H_
