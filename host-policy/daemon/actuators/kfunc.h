// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_KFUNC_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_KFUNC_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/actuators/boost_watch.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

// The actuator `kfunc`: the BPF programs apply grants through the module
// pvsched_host, most of them inside the event. This class registers the threads
// that the module may change. The module keeps the threads' baselines, and
// restores them when its device is closed, even by a crash.
//
// The BpfObject must have been loaded with ActuatorKind::kKfunc.
class KfuncActuator : public Actuator, private BoostWatch::Delegate {
 public:
  // Opens the module's device. NotFound: the module is not loaded.
  static absl::StatusOr<UniqueFd> OpenDevice();

  KfuncActuator(BpfObject& bpf, UniqueFd device);
  ~KfuncActuator() override;

  const char* name() const override { return "kfunc"; }
  absl::Status Start(int priority) override { return watch_.Start(priority); }
  absl::Status Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) override;
  void Remove(uint32_t slot) override;
  Applied applied(uint32_t slot) override;
  Counts counts() override;

 private:
  bool OnPendingGrant(uint32_t slot) override;
  std::vector<pid_t> BoostedThreads() override;
  bool OnNoneBoosted() override;

  BpfObject& bpf_;
  UniqueFd device_;
  std::mutex mutex_;                // guards tids_
  std::map<uint32_t, pid_t> tids_;  // by slot
  BoostWatch watch_;                // last: its thread uses the members above
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_KFUNC_H_
