// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCX_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCX_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

// The `scx` actuator: the programs are the host's scheduler. No thread's
// parameters are touched, so that there is nothing to give back; what is left
// to do is to hear of the scheduler's end.
//
// BpfObject must have been loaded with ActuatorKind::kScx.
class ScxActuator : public Actuator {
 public:
  static absl::StatusOr<std::unique_ptr<ScxActuator>> Create(BpfObject& programs);
  ~ScxActuator() override;

  const char* name() const override { return "scx"; }
  absl::Status Add(uint32_t slot, pid_t process, pid_t tid, int thread_pidfd) override;
  void Remove(uint32_t slot) override;
  Applied applied(uint32_t slot) override;
  Counts counts() override { return {}; }

  // Readable once a scheduler has ended; TakeEnd() has heard of it. It may be that
  // another policy's took its place: BpfObject::has_scx_ended().
  int EndFd() const { return ended_.get(); }
  void TakeEnd();

 private:
  ScxActuator(BpfObject& programs, UniqueFd ended) : Actuator(programs), ended_(std::move(ended)) {}
  void RemoveAll() override;
  bool OnDecision(uint32_t slot) override;
  std::vector<pid_t> Boosted() override { return {}; }

  UniqueFd ended_;
  std::map<uint32_t, pid_t> tids_;  // by slot
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SCX_H_
