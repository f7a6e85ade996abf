// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_KFUNC_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_KFUNC_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

// The `kfunc` actuator: the programs apply their decisions themselves, through
// the module pvsched_host, most of them inside of the event. This class tells the
// module which threads they may touch. The module keeps the threads' own
// parameters, and gives them back when its device is closed, however that comes.
//
// BpfObject must have been loaded with ActuatorKind::kKfunc.
class KfuncActuator : public Actuator {
 public:
  // The module's device. NotFound: the module is not loaded.
  static absl::StatusOr<UniqueFd> OpenDevice();

  KfuncActuator(BpfObject& programs, UniqueFd device)
      : Actuator(programs), device_(std::move(device)) {}
  ~KfuncActuator() override;

  const char* name() const override { return "kfunc"; }
  absl::Status Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) override;
  void Remove(uint32_t slot) override;
  Applied applied(uint32_t slot) override;
  Counts counts() override;

 private:
  void RemoveAll() override;
  bool OnDecision(uint32_t slot) override;
  std::vector<pid_t> Boosted() override;
  void OnTimerOff() override;

  UniqueFd device_;
  std::mutex mutex_;                // guards tids_
  std::map<uint32_t, pid_t> tids_;  // by slot
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_KFUNC_H_
