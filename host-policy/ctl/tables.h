// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_TABLES_H_
#define PVSCHED_HOST_POLICY_CTL_TABLES_H_

#include <string>

#include "host-policy/ctl/admin_client.h"

namespace pvsched {

// pvschedd's replies as text.
std::string VmTable(const Json& vms);
std::string VcpuTable(const Json& vcpus);
std::string TunableTable(const Json& tunables);
std::string ProfileTable(const Json& profiles);
std::string StatsTable(const Json& stats);
std::string SchedulerTable(const Json& status);
std::string PolicyText(const Json& policy);
// The dump in a reply to "scheduler status"; empty if there is none.
std::string ExitDump(const Json& status);

// The upper bound, in us, of the bucket with the quantile; -1: no wake-up was counted.
long BucketQuantile(const Json& histogram, double quantile);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_TABLES_H_
