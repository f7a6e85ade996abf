// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_JSON_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_JSON_H_

#include <string>

#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/refusals.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/scx_exit_record.h"
#include "host-policy/loader/bpf_object.h"
#include "nlohmann/json.hpp"

namespace pvsched {

// A text in an admin's request; empty: the request has none.
std::string TextField(const nlohmann::ordered_json& request, const char* name);

// What pvschedctl shows, as JSON. Times are in nanoseconds unless a name has
// another unit. A vCPU's counters start at its registration.
nlohmann::ordered_json VmToJson(const Vm& vm);
nlohmann::ordered_json VcpuToJson(const Vm& vm, const Vcpu& vcpu, const pvs_slot& slot,
                                  Actuator& actuator);
// The vCPU's counters, and histograms of its wake-up latency: WakeupBoundsUs()
// has the upper bounds of all buckets but the last, which has none.
nlohmann::ordered_json VcpuStatsToJson(const Vm& vm, const Vcpu& vcpu, const pvs_slot& slot);
nlohmann::ordered_json WakeupBoundsUs();
nlohmann::ordered_json RefusalsToJson(const Refusals& refusals);
nlohmann::ordered_json ScxCountsToJson(const pvs_scx_counts& counts);
nlohmann::ordered_json ScxExitToJson(const ScxExit& exit, const std::string& path);
nlohmann::ordered_json TraceToJson(const Vm& vm, const Vcpu& vcpu, const pvs_trace& trace);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_JSON_H_
