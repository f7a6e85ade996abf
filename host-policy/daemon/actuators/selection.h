// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SELECTION_H_
#define PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SELECTION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/actuators/baseline_store.h"
#include "host-policy/daemon/actuators/scx.h"
#include "host-policy/loader/bpf_object.h"

namespace pvsched {

// The programs, and the actuator that was chosen for this host.
struct Host {
  std::unique_ptr<BpfObject> programs;
  std::unique_ptr<Actuator> actuator;  // ends first
  ScxActuator* scheduler = nullptr;    // the actuator, if it is that one
  std::string description;             // half a sentence on how decisions are applied
};

inline constexpr char kAllActuators[] = "scx,kfunc,agent";

// Whether `names` is one of these, or several with commas between.
absl::Status CheckActuators(absl::string_view names);

// The first of `names` that works here; why those before it do not is logged.
// `policy_path` as for BpfObject::Load().
absl::StatusOr<Host> ChooseActuator(absl::string_view names, const std::string& policy_path,
                                    BaselineStore& baselines, int agent_priority);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SELECTION_H_
