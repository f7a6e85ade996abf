// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_HOST_H_
#define PVSCHED_HOST_POLICY_DAEMON_HOST_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "host-policy/daemon/actuator.h"
#include "host-policy/daemon/baseline_store.h"
#include "host-policy/daemon/scheduler_actuator.h"
#include "host-policy/loader/programs.h"

namespace pvsched {

// The programs, and the actuator that was chosen for this host.
struct Host {
  std::unique_ptr<Programs> programs;
  std::unique_ptr<Actuator> actuator;      // ends first
  SchedulerActuator* scheduler = nullptr;  // the actuator, if it is that one
  std::string description;                 // half a sentence on how decisions are applied
};

// `actuator` is scx, kfunc or agent, or auto: the first of these that works here,
// the others' reasons logged. `policy_path` as for Programs::Load().
absl::StatusOr<Host> ChooseHost(const std::string& actuator, const std::string& policy_path,
                                BaselineStore& baselines, int agent_priority);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_HOST_H_
