// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// What a monitoring system sees of the real pvschedd.
#include <cstdio>
#include <map>
#include <string>

#include "gtest/gtest.h"
#include "tests/native/pvschedd_fixture.h"
#include "tests/unit/openmetrics_checker.h"

namespace pvsched {
namespace {

class PvscheddMetricsTest : public PvscheddTest {
 protected:
  // The samples by name and labels.
  std::map<std::string, std::string> Metrics() {
    const std::string command =
        std::string(PVSCHEDCTL_PATH) + " --socket " + daemon_.path("admin.sock") + " metrics";
    FILE* pipe = popen(command.c_str(), "r");
    std::string text;
    char buffer[4096];
    size_t size;
    while ((size = fread(buffer, 1, sizeof(buffer), pipe)) > 0) text.append(buffer, size);
    EXPECT_EQ(pclose(pipe), 0);
    OpenMetricsChecker checker;
    EXPECT_EQ(checker.Check(text), "");
    return checker.samples();
  }
};

TEST_F(PvscheddMetricsTest, ThrottledVcpuIsCounted) {
  const auto connection = ConnectAndBind();
  ASSERT_TRUE(SpinsUntilThrottled());
  auto samples = Metrics();
  EXPECT_EQ(samples["pvsched_vms"], "1");
  EXPECT_EQ(samples["pvsched_actuator_info{name=\"agent\"}"], "1");
  EXPECT_GT(std::stod(samples["pvsched_vcpu_boosted_seconds_total{vm=\"test-vm\",vcpu=\"0\"}"]), 0);
  EXPECT_GE(std::stoi(samples["pvsched_vcpu_throttles_total{vm=\"test-vm\",vcpu=\"0\"}"]), 1);
  EXPECT_EQ(samples["pvsched_vcpu_throttles_total{vm=\"test-vm\",vcpu=\"1\"}"], "0");
}

TEST_F(PvscheddMetricsTest, RefusalsAreCountedByRequest) {
  const auto connection = Connect();
  ControlConnection second(daemon_.path("device.sock"));
  EXPECT_NE(second.Hello(getpid(), "second"), 0);
  EXPECT_NE(connection->Register(0, vm_->memory(), /*offset=*/1), 0);
  EXPECT_NE(connection->Thread(7, getpid()), 0);
  pvsched_control_msg message = connection->Message(PVSCHED_CONTROL_WITHDRAW);
  message.magic = 0;
  EXPECT_EQ(connection->Ask(message), -1);
  auto samples = Metrics();
  for (const char* request : {"hello", "register", "other", "malformed"}) {
    EXPECT_EQ(samples["pvsched_refusals_total{request=\"" + std::string(request) + "\"}"], "1");
  }
}

}  // namespace
}  // namespace pvsched
