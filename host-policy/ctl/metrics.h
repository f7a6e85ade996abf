// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_CTL_METRICS_H_
#define PVSCHED_HOST_POLICY_CTL_METRICS_H_

#include <string>

#include "absl/status/status.h"
#include "host-policy/ctl/admin_client.h"

namespace pvsched {

enum class MetricsFormat {
  kOpenMetrics,  // OpenMetrics 1.0
  kTextfile,     // Prometheus text format 0.0.4, of node_exporter's textfile collector
};

// A reply to "stats" as metrics. Times are in seconds. A vCPU's counters start
// at its registration.
std::string MetricsText(const Json& stats, MetricsFormat format);

// Replaces the file at `path` in one step, so that a collector never reads a part
// of it. The new file is readable by all users.
absl::Status ReplaceFile(const std::string& path, const std::string& text);

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_CTL_METRICS_H_
