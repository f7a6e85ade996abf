// SPDX-License-Identifier: Apache-2.0
// What a thread is given under a grant: host-policy/core/sched_params.h.

#include "host-policy/core/sched_params.h"

#include <vector>

#include "gtest/gtest.h"

namespace pvsched {
namespace {

constexpr uint64_t Boost(uint32_t policy, int32_t nice, uint32_t rt_prio) {
  return static_cast<uint64_t>(policy) | static_cast<uint64_t>(static_cast<uint8_t>(nice)) << 8 |
         static_cast<uint64_t>(rt_prio) << 16 | static_cast<uint64_t>(PVSCHED_GRANT_BOOSTED) << 24;
}
constexpr uint64_t Lower(uint32_t policy, int32_t nice) {
  return static_cast<uint64_t>(policy) | static_cast<uint64_t>(static_cast<uint8_t>(nice)) << 8 |
         static_cast<uint64_t>(PVSCHED_GRANT_LOWERED) << 24;
}

struct Case {
  const char* what;
  pvs_sched_params own;
  uint64_t grant;
  bool is_granted;
  pvs_sched_params wanted;  // if granted; else the thread's own
};

constexpr uint32_t kNormal = PVSCHED_POLICY_NORMAL;
constexpr uint32_t kFifo = PVSCHED_POLICY_FIFO;
constexpr uint32_t kRr = PVSCHED_POLICY_RR;
constexpr uint32_t kBatch = PVSCHED_POLICY_BATCH;
constexpr uint32_t kIdle = PVSCHED_POLICY_IDLE;
constexpr uint32_t kDeadline = PVSCHED_POLICY_DEADLINE;

TEST(Params, EachCase) {
  const std::vector<Case> cases = {
      {"no grant", {kNormal, 5, 0, 0}, 0, false, {}},
      {"real-time boost", {kNormal, 5, 0, 0}, Boost(kRr, 0, 8), true, {kRr, 0, 8, 1}},
      {"boost of an idle-policy thread", {kIdle, 0, 0, 0}, Boost(kRr, 0, 8), true, {kRr, 0, 8, 1}},
      {"a higher thread keeps its own", {kFifo, 0, 20, 0}, Boost(kRr, 0, 8), false, {}},
      {"an equal one, too", {kFifo, 0, 8, 0}, Boost(kRr, 0, 8), false, {}},
      {"a lower real-time one is raised", {kFifo, 0, 3, 0}, Boost(kRr, 0, 8), true, {kRr, 0, 8, 1}},
      {"a deadline thread is left alone", {kDeadline, 0, 0, 0}, Boost(kRr, 0, 8), false, {}},
      {"nice boost", {kNormal, 0, 0, 0}, Boost(kNormal, -5, 0), true, {kNormal, -5, 0, 1}},
      {"nicer than it", {kNormal, -10, 0, 0}, Boost(kNormal, -5, 0), false, {}},
      {"nice for a real-time one", {kRr, 0, 1, 0}, Boost(kNormal, -5, 0), false, {}},
      {"lowered", {kNormal, 0, 0, 0}, Lower(kNormal, 10), true, {kNormal, 10, 0, 0}},
      {"to idle, its nice kept", {kNormal, 3, 0, 1}, Lower(kIdle, 0), true, {kIdle, 3, 0, 1}},
      {"a lowering never raises", {kNormal, 15, 0, 0}, Lower(kNormal, 10), false, {}},
      {"to batch", {kNormal, 0, 0, 0}, Lower(kBatch, 0), true, {kBatch, 0, 0, 0}},
      {"nor touches a real-time one", {kRr, 0, 1, 0}, Lower(kIdle, 0), false, {}},
  };
  for (const Case& c : cases) {
    pvs_sched_params got;
    EXPECT_EQ(pvs_params_granted(&c.own, c.grant, &got) != 0, c.is_granted) << c.what;
    const pvs_sched_params& wanted = c.is_granted ? c.wanted : c.own;
    EXPECT_EQ(got.policy, wanted.policy) << c.what;
    EXPECT_EQ(got.nice, wanted.nice) << c.what;
    EXPECT_EQ(got.rt_prio, wanted.rt_prio) << c.what;
    EXPECT_EQ(got.reset_on_fork, wanted.reset_on_fork) << c.what;
  }
}

TEST(Params, WhatAThreadLeavesOfItsBoostIsStillTheBoost) {
  struct {
    const char* what;
    pvs_sched_params own, applied, now;
    bool is_of_boost;
  } const cases[] = {
      {"lower priority", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kRr, 0, 7, 1}, true},
      {"the other real-time policy", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kFifo, 0, 8, 1}, true},
      {"an admin's", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kRr, 0, 7, 0}, false},
      {"raised", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kRr, 0, 20, 1}, false},
      {"deadline", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kDeadline, 0, 0, 1}, false},
      {"above its own", {kRr, 0, 3, 0}, {kRr, 0, 8, 1}, {kRr, 0, 4, 1}, true},
      {"below its own", {kRr, 0, 3, 0}, {kRr, 0, 8, 1}, {kRr, 0, 2, 1}, false},
      {"at its own", {kNormal, 0, 0, 0}, {kRr, 0, 8, 1}, {kNormal, 0, 0, 1}, false},
      {"not idle any more", {kIdle, 0, 0, 0}, {kRr, 0, 8, 1}, {kNormal, 0, 0, 1}, true},
      {"higher nice", {kNormal, 0, 0, 0}, {kNormal, -5, 0, 1}, {kNormal, -4, 0, 1}, true},
      {"to batch", {kNormal, 0, 0, 0}, {kNormal, -5, 0, 1}, {kBatch, -5, 0, 1}, true},
      {"lower than a lowering",
       {kNormal, 0, 0, 1},
       {kNormal, 10, 0, 1},
       {kNormal, 12, 0, 1},
       false},
      {"higher than a lowering",
       {kNormal, 0, 0, 1},
       {kNormal, 10, 0, 1},
       {kNormal, 5, 0, 1},
       false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(pvs_params_of_boost(&c.own, &c.applied, &c.now) != 0, c.is_of_boost) << c.what;
  }
}

}  // namespace
}  // namespace pvsched
