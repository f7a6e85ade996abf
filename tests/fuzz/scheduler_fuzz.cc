// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The scheduler's arithmetic for tasks of any weights, bursts and sleeps: virtual time, cpu.max and
// the pool of the boot boost. No order is unbounded, and no share is exceeded.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "host-policy/core/bandwidth.h"
#include "host-policy/core/boot_boost.h"
#include "host-policy/core/vtime.h"
#include "tests/fuzz/fuzz.h"

namespace pvsched {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint32_t kMaxQueued = 4096;  // tasks per CPU
constexpr uint64_t kTickNs = 10'000'000;

// A task in a queue whose virtual time advances.
class TaskModel {
 public:
  void Step(FuzzInput& input, uint64_t now);

 private:
  void CheckPlace(uint32_t nr_queued) const;
  void CheckOrder(uint32_t nr_queued) const;

  pvs_vtime task_ = {};
  uint64_t vtime_now_ = UINT64_MAX - kSecond;  // it wraps soon
  uint32_t nr_queued_avg_ = 0;
  uint32_t most_queued_ = 0;
};

void TaskModel::Step(FuzzInput& input, uint64_t now) {
  const auto step = input.Take<uint8_t>();
  const auto weight = static_cast<uint32_t>(input.InRange(1, 10'000));
  const uint64_t ran = input.InRange(0, kTickNs);
  const auto queued = static_cast<uint32_t>(input.InRange(0, kMaxQueued));
  most_queued_ = std::max(most_queued_, queued);
  nr_queued_avg_ = pvs_nr_queued_avg_add(nr_queued_avg_, queued);
  const uint32_t nr_queued = pvs_nr_queued_avg_round(nr_queued_avg_);
  Require(nr_queued <= most_queued_, "a mean is at most the largest sample");
  switch (step % 4) {
    case 0:
      pvs_vtime_sleep(&task_, now);
      break;
    case 1:
      pvs_vtime_wake(&task_, weight, vtime_now_, now, nr_queued);
      Require(task_.wakeup_rate <= 1000, "a rate is at most that of sleeps of 1 ms");
      CheckPlace(nr_queued);
      break;
    case 2:
      pvs_vtime_clamp(&task_, vtime_now_, nr_queued);
      CheckPlace(nr_queued);
      break;
    default:
      pvs_vtime_charge(&task_, pvs_scale_by_weight(ran, weight));
      vtime_now_ = pvs_vtime_advance(vtime_now_, pvs_scale_by_weight(ran, weight), queued);
  }
  CheckOrder(nr_queued);
}

void TaskModel::CheckPlace(uint32_t nr_queued) const {
  Require(!pvs_before(task_.vruntime, vtime_now_ - pvs_param_lag_max), "credit is bounded");
  Require(!pvs_before(vtime_now_ + pvs_lag_limit(nr_queued), task_.vruntime), "debt is bounded");
}

void TaskModel::CheckOrder(uint32_t nr_queued) const {
  const uint64_t deadline = pvs_vtime_deadline(&task_) - task_.vruntime;
  Require(deadline <= pvs_param_lag_max, "a deadline is near");
  Require(pvs_vtime_dsq_key(&task_, nr_queued) - task_.vruntime <= deadline,
          "a key is between the vruntime and the deadline");
  const uint64_t slice = pvs_slice_for(nr_queued);
  Require(slice >= pvs_param_slice_min && slice <= pvs_param_slice_max, "a slice is in its range");
}

// A cgroup that is charged late. Its task runs when it may; or tasks on other CPUs, which do not
// know of the throttle yet, are charged for as long as they like.
class CgroupModel {
 public:
  CgroupModel(FuzzInput& input, uint64_t now)
      : start_(now),
        quota_(input.InRange(1'000'000, kSecond)),
        period_(input.InRange(1'000'000, kSecond)),
        is_one_task_(input.Flag()) {
    pvs_bandwidth_set(&bandwidth_, quota_, period_, now);
  }

  void Step(FuzzInput& input, uint64_t now) {
    const uint64_t used = input.InRange(0, is_one_task_ ? std::min(quota_, kTickNs) : 8 * kSecond);
    if (is_one_task_ && now < runs_at_) return;
    used_ += used;
    runs_at_ = pvs_bandwidth_charge(&bandwidth_, used, now);
    Require(runs_at_ <= now + std::max<uint64_t>(pvs_param_bw_debt_max, period_),
            "a throttle ends in time");
    Require(!is_one_task_ || used_ / quota_ <= (now - start_) / period_ + 2,
            "a cgroup gets its quota in each period");
  }

 private:
  pvs_bandwidth bandwidth_ = {};
  const uint64_t start_;
  const uint64_t quota_;
  const uint64_t period_;
  const bool is_one_task_;
  uint64_t runs_at_ = 0;
  uint64_t used_ = 0;
};

// VMs that boot one after the other, and use the pool while it has room.
class BootPoolModel {
 public:
  BootPoolModel(FuzzInput& input, uint64_t now)
      : start_(now),
        cpus_(static_cast<uint32_t>(input.InRange(1, 512))),
        percent_(static_cast<uint32_t>(input.InRange(1, 100))) {}

  void Step(FuzzInput& input, uint64_t now) {
    const uint64_t used = input.InRange(0, kMaxUsedNs);
    if (pvs_boot_pool_is_empty(full_at_, now)) return;
    pvs_boot_pool_charge(&full_at_, used, percent_, cpus_, now);
    // Each charge rounds the pool's time down, by less than 1 ns.
    used_ += used;
    ++charges_;
    const uint64_t room_ns = now - start_ + pvs_param_boot_boost_window + charges_;
    Require(used_ <= (room_ns * percent_ * cpus_) / 100 + kMaxUsedNs + 1,
            "boots get their share of the host");
  }

 private:
  static constexpr uint64_t kMaxUsedNs = 100 * kSecond;

  const uint64_t start_;
  const uint32_t cpus_;
  const uint32_t percent_;
  __u64 full_at_ = 0;
  uint64_t used_ = 0;
  uint64_t charges_ = 0;
};

}  // namespace
}  // namespace pvsched

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  pvsched::FuzzInput input(data, size);
  uint64_t now = 12345 * pvsched::kSecond;
  pvsched::TaskModel task;
  pvsched::CgroupModel cgroup(input, now);
  pvsched::BootPoolModel pool(input, now);
  while (!input.is_empty()) {
    const auto step = input.Take<uint8_t>();
    now += step % 8 == 0 ? input.InRange(0, 2 * pvsched::kSecond) : input.InRange(0, 5'000'000);
    switch (step / 8 % 3) {
      case 0:
        task.Step(input, now);
        break;
      case 1:
        cgroup.Step(input, now);
        break;
      default:
        pool.Step(input, now);
    }
  }
  return 0;
}
