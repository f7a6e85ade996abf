// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/selection.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/errno_status.h"
#include "host-policy/daemon/actuators/agent.h"
#include "host-policy/daemon/actuators/kfunc.h"
#include "host-policy/loader/host_check.h"
#include "host-policy/loader/scx_support.h"

namespace pvsched {
namespace {

constexpr absl::string_view kScx = "scx";

std::vector<absl::string_view> Split(absl::string_view names) { return absl::StrSplit(names, ','); }

absl::StatusOr<ChosenActuator> MakeScx(const ActuatorOptions& options) {
  RETURN_IF_ERROR(CheckScxSupport());
  auto bpf = BpfObject::Load(options.policy_path, ActuatorKind::kScx, options.scx);
  if (!bpf.ok()) return bpf.status();
  for (const std::string& name : (*bpf)->missing_callbacks()) {
    LOG(WARNING) << "this kernel's sched_ext has no ops." << name << "()";
  }
  ChosenActuator chosen;
  chosen.bpf = *std::move(bpf);
  auto scx = std::make_unique<ScxActuator>(*chosen.bpf);
  chosen.scx = scx.get();
  chosen.actuator = std::move(scx);
  chosen.description = "pvsched is the host's scheduler, by sched_ext";
  return chosen;
}

absl::StatusOr<ChosenActuator> MakeKfunc(const ActuatorOptions& options) {
  auto device = KfuncActuator::OpenDevice();
  if (!device.ok()) return device.status();
  auto bpf = BpfObject::Load(options.policy_path, ActuatorKind::kKfunc);
  if (!bpf.ok()) return bpf.status();
  ChosenActuator chosen;
  chosen.bpf = *std::move(bpf);
  chosen.actuator = std::make_unique<KfuncActuator>(*chosen.bpf, *std::move(device));
  chosen.description = "grants are applied inside the event, through the module pvsched_host";
  return chosen;
}

absl::StatusOr<ChosenActuator> MakeAgent(const ActuatorOptions& options, BaselineStore& baselines) {
  auto bpf = BpfObject::Load(options.policy_path, ActuatorKind::kAgent);
  if (!bpf.ok()) return bpf.status();
  ChosenActuator chosen;
  chosen.bpf = *std::move(bpf);
  chosen.actuator = std::make_unique<AgentActuator>(*chosen.bpf, baselines);
  chosen.description =
      absl::StrCat("grants are applied by a thread, SCHED_FIFO ", options.priority);
  return chosen;
}

absl::StatusOr<ChosenActuator> Make(absl::string_view name, const ActuatorOptions& options,
                                    BaselineStore& baselines) {
  if (name == kScx) return MakeScx(options);
  if (name == "kfunc") return MakeKfunc(options);
  return MakeAgent(options, baselines);
}

}  // namespace

absl::Status CheckActuators(absl::string_view names) {
  const std::vector<absl::string_view> all = Split(kAllActuators);
  for (const absl::string_view name : Split(names)) {
    if (std::find(all.begin(), all.end(), name) == all.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "'", name, "' is no actuator; the actuators are ", absl::StrJoin(all, ", ")));
    }
  }
  return absl::OkStatus();
}

bool HasScx(absl::string_view names) {
  const std::vector<absl::string_view> list = Split(names);
  return std::find(list.begin(), list.end(), kScx) != list.end();
}

std::string ActuatorsWithoutScx(absl::string_view names) {
  std::vector<absl::string_view> list = Split(names);
  std::erase(list, kScx);
  return list.empty() ? ActuatorsWithoutScx(kAllActuators) : absl::StrJoin(list, ",");
}

absl::StatusOr<ChosenActuator> ChooseActuator(const ActuatorOptions& options,
                                              BaselineStore& baselines) {
  RETURN_IF_ERROR(CheckActuators(options.names));
  absl::StatusOr<ChosenActuator> chosen = absl::NotFoundError("no actuator");
  absl::string_view passed_over;
  for (const absl::string_view name : Split(options.names)) {
    if (!passed_over.empty()) {
      // The first line only: the verifier's log follows it. An admin who names
      // that actuator alone gets the whole message.
      const absl::string_view why = chosen.status().message();
      LOG(INFO) << "actuator " << passed_over
                << " does not work here: " << why.substr(0, why.find('\n'));
    }
    chosen = Make(name, options, baselines);
    if (chosen.ok()) break;
    passed_over = name;
  }
  if (!chosen.ok()) return chosen.status();
  for (const std::string& unseen : UnseenInterrupts(chosen->bpf->has_kick_hook(), "/sys/module")) {
    LOG(WARNING) << unseen;
  }
  RETURN_IF_ERROR(chosen->actuator->Start(options.priority));
  return chosen;
}

}  // namespace pvsched
