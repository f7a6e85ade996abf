// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_JSON_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_JSON_H_

#include <sched.h>

#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/loader/bpf_object.h"
#include "nlohmann/json.hpp"

namespace pvsched {

// What pvschedctl shows, as JSON. Times are nanoseconds unless a name says
// otherwise; counters start with the vCPU's registration.
nlohmann::ordered_json VmToJson(const Vm& vm);
nlohmann::ordered_json VcpuToJson(const Vm& vm, const Vcpu& vcpu, const pvs_slot& slot,
                                  Actuator& actuator);
// The vCPU's counters and its histograms of the time from wake-up to running:
// bucket i counts [2^i, 2^(i+1)) us.
nlohmann::ordered_json StatsToJson(const Vm& vm, const Vcpu& vcpu, const pvs_slot& slot);
nlohmann::ordered_json SchedulerCountsToJson(const pvs_scx_counts& counts);
nlohmann::ordered_json TraceToJson(const Vm& vm, const Vcpu& vcpu, const pvs_trace& trace);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_ADMIN_JSON_H_
