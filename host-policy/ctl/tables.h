// SPDX-License-Identifier: Apache-2.0
#ifndef PVSCHED_HOST_POLICY_CTL_TABLES_H_
#define PVSCHED_HOST_POLICY_CTL_TABLES_H_

#include <string>

#include "host-policy/ctl/admin_client.h"

namespace pvsched {

// pvschedd's answers as tables for a person.
std::string VmTable(const Json& vms);
std::string VcpuTable(const Json& vcpus);
std::string TunableTable(const Json& tunables);
std::string StatsTable(const Json& stats);
// What happened between two answers to "stats", `seconds` apart.
std::string SchedulerTable(const Json& status);
std::string TopTable(const Json& before, const Json& after, double seconds);

// The upper bound, in us, of the bucket that holds the quantile; -1: empty.
long BucketQuantile(const Json& histogram, double quantile);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_TABLES_H_
