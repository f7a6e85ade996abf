// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// The worked deadline of docs/explanation/scheduler.md against core/vtime.h.
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/core/vtime.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMs = 1000000;
constexpr uint64_t kVirtualNow = 1000 * kMs;

double Ms(uint64_t ns) { return static_cast<double>(ns) / kMs; }

// Task A never sleeps; task B wakes from a sleep of 10 ms, 100 times a second.
std::string Row(uint32_t nr_queued) {
  const uint64_t clock = 5000 * kMs;
  const pvs_vtime a = {kVirtualNow, 40 * kMs, 0, 0, 0};
  pvs_vtime b = {900 * kMs, 3 * kMs, clock - 10 * kMs, 100, 0};
  pvs_vtime_wake(&b, PVS_WEIGHT, kVirtualNow, clock, nr_queued);
  return absl::StrFormat("| %d | %.2f ms | %.2f ms | %.2f ms | %.2f ms | %.2f ms |\n", nr_queued,
                         Ms(kVirtualNow - b.vruntime), Ms(b.vruntime),
                         Ms(pvs_vtime_dsq_key(&b, nr_queued)), Ms(pvs_vtime_dsq_key(&a, nr_queued)),
                         Ms(pvs_slice_for(nr_queued)));
}

TEST(SchedulerPage, WorkedDeadlineHasTheValuesOfTheFunctions) {
  std::stringstream page;
  page << std::ifstream(PVSCHED_DOCS "/explanation/scheduler.md").rdbuf();
  for (const uint32_t nr_queued : {0, 3, 8}) EXPECT_THAT(page.str(), HasSubstr(Row(nr_queued)));
}

}  // namespace
}  // namespace pvsched
