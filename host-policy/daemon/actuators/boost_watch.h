// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BOOST_WATCH_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BOOST_WATCH_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "common/unique_fd.h"
#include "host-policy/loader/bpf_object.h"
#include "pvsched_abi.h"

namespace pvsched {

inline bool IsBoosted(uint64_t grant) {
  return (pvsched_word_flags(grant) & PVSCHED_GRANT_BOOSTED) != 0;
}

// A real-time thread that reads the ring of pending grants. While any vCPU is
// boosted, a timer makes the policy re-evaluate each boosted vCPU. So a boost
// ends on a CPU without a tick, and in a thread that neither sleeps nor enters
// its guest.
//
// Thread-safety: Start and Stop from one thread.
class BoostWatch {
 public:
  static constexpr int kTimerMs = 50;

  // Its functions run in the watch's thread.
  class Delegate {
   public:
    virtual ~Delegate() = default;
    // The ring names this slot. Returns whether the timer is needed.
    virtual bool OnPendingGrant(uint32_t slot) = 0;
    // The threads whose vCPUs are boosted now.
    virtual std::vector<pid_t> BoostedThreads() = 0;
    // The timer found no boosted thread. Returns whether the timer is needed
    // all the same.
    virtual bool OnNoneBoosted() { return false; }
  };

  // Both must outlive the watch.
  BoostWatch(BpfObject& bpf, Delegate& delegate) : bpf_(bpf), delegate_(delegate) {}
  ~BoostWatch() { Stop(); }
  BoostWatch(const BoostWatch&) = delete;
  BoostWatch& operator=(const BoostWatch&) = delete;

  // Starts the thread as SCHED_FIFO `priority`.
  absl::Status Start(int priority);
  // Ends the thread. No call of the delegate comes afterwards.
  void Stop();

 private:
  void Run();
  void OnTimer();
  void ArmTimer();

  BpfObject& bpf_;
  Delegate& delegate_;
  std::unique_ptr<BpfObject::Ring> ring_;
  UniqueFd stop_;
  UniqueFd timer_;
  bool is_timer_armed_ = false;  // the watch's thread only
  std::thread thread_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_BOOST_WATCH_H_
