// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
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
#include "host-policy/loader/scx_params.h"

namespace pvsched {

// Every actuator, the preferred first.
inline constexpr char kAllActuators[] = "scx,kfunc,agent";
// What `auto` means: scx replaces the host's scheduler, so only its name selects it.
inline constexpr char kAutoActuators[] = "kfunc,agent";

// Whether `names` is a list of actuators, separated by commas.
absl::Status CheckActuators(absl::string_view names);

// The list without scx. All other actuators, if scx was the only one.
std::string ActuatorsWithoutScx(absl::string_view names);
bool HasScx(absl::string_view names);

struct ActuatorOptions {
  std::string names = kAutoActuators;
  std::string policy_path;  // as for BpfObject::Load()
  int priority = Actuator::kDefaultPriority;
  ScxSettings scx;  // of the actuator scx
};

// The actuator that was chosen for this host, and the programs it works with.
struct ChosenActuator {
  std::unique_ptr<BpfObject> bpf;
  std::unique_ptr<Actuator> actuator;  // destroyed before `bpf`
  ScxActuator* scx = nullptr;          // `actuator`, if that is the actuator scx
  std::string description;             // half a sentence: how grants are applied
};

// Starts the first of `options.names` that works on this host. Logs why each
// one before it does not.
absl::StatusOr<ChosenActuator> ChooseActuator(const ActuatorOptions& options,
                                              BaselineStore& baselines);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ACTUATORS_SELECTION_H_
