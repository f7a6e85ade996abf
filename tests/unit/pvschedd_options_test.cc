// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/pvschedd_options.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/actuators/selection.h"
#include "host-policy/daemon/control_limits.h"
#include "host-policy/daemon/service_config.h"
#include "nlohmann/json.hpp"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

class PvscheddOptionsTest : public testing::Test {
 protected:
  // The exit status; nothing if pvschedd would run.
  std::optional<int> Parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "pvschedd");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    CaptureStdout();
    CaptureStderr();
    const std::optional<int> status =
        ParseOptions(static_cast<int>(argv.size()), argv.data(), options_);
    output_ = GetCapturedStdout();
    error_ = GetCapturedStderr();
    return status;
  }

  ServiceConfig Service() const { return ToServiceConfig(options_.config.service); }

  const ScxParamInfo& info_ = ScxParamInfos().front();
  Options options_;
  std::string output_;
  std::string error_;
};

TEST_F(PvscheddOptionsTest, SocketsAreInTheStateDirectory) {
  EXPECT_EQ(Parse({"--state-dir", "/x"}), std::nullopt);
  EXPECT_EQ(Service().device_socket, "/x/device.sock");
  EXPECT_EQ(Service().admin_socket, "/x/admin.sock");
  EXPECT_EQ(Service().device_socket_mode, 0660u);
}

TEST_F(PvscheddOptionsTest, LastActuatorListCounts) {
  EXPECT_EQ(Parse({"--actuator", "scx", "--actuator", "kfunc,agent"}), std::nullopt);
  EXPECT_EQ(Service().actuators, "kfunc,agent");
}

TEST_F(PvscheddOptionsTest, OnlyItsNameSelectsTheActuatorThatReplacesTheHostsScheduler) {
  EXPECT_EQ(Parse({}), std::nullopt);
  EXPECT_EQ(Service().actuators, "kfunc,agent");
  EXPECT_EQ(Parse({"--actuator", "auto"}), std::nullopt);
  EXPECT_EQ(Service().actuators, "kfunc,agent");
  EXPECT_EQ(Parse({"--actuator", "scx"}), std::nullopt);
  EXPECT_EQ(Service().actuators, "scx");
}

TEST_F(PvscheddOptionsTest, BadModeAndBadActuatorAreUsageErrors) {
  EXPECT_EQ(Parse({"--device-socket-mode", "0680"}), 2);
  EXPECT_THAT(error_, HasSubstr("'0680' is no octal mode"));
  EXPECT_EQ(Parse({"--actuator", "fast"}), 2);
  EXPECT_THAT(error_, HasSubstr("'fast' is no actuator"));
}

TEST_F(PvscheddOptionsTest, LimitsOfAUserAreOptionsWithARange) {
  EXPECT_EQ(Parse({}), std::nullopt);
  EXPECT_EQ(Service().limits, ControlLimits{});
  EXPECT_EQ(Parse({"--max-user-vms", "3", "--max-user-vcpus", "4", "--max-user-connections", "5",
                   "--hello-timeout", "250"}),
            std::nullopt);
  EXPECT_EQ(Service().limits, (ControlLimits{.max_user_vms = 3,
                                             .max_user_vcpus = 4,
                                             .max_user_connections = 5,
                                             .hello_timeout = std::chrono::milliseconds(250)}));
  EXPECT_EQ(Parse({"--max-user-vms", "1025"}), 2);
  EXPECT_THAT(error_, HasSubstr("needs an integer from 1 to 1024"));
  EXPECT_EQ(Parse({"--hello-timeout", "0"}), 2);
}

TEST_F(PvscheddOptionsTest, HelpHasTheDefaultsOfTheSource) {
  EXPECT_EQ(Parse({"--help"}), 0);
  EXPECT_THAT(output_, HasSubstr(std::string("auto: ") + kAutoActuators));
  EXPECT_THAT(output_, HasSubstr("[" + std::to_string(Actuator::kDefaultPriority) + "]"));
}

TEST_F(PvscheddOptionsTest, EachKeyOfTheServiceIsAnOption) {
  EXPECT_EQ(Parse({"--help"}), 0);
  for (const ServiceKeyInfo& info : ServiceKeyInfos()) {
    EXPECT_THAT(output_, HasSubstr("--" + info.name + " " + info.type));
  }
}

TEST_F(PvscheddOptionsTest, OnlyOptionsThatWereGivenOverrideTheFile) {
  EXPECT_EQ(Parse({}), std::nullopt);
  EXPECT_TRUE(options_.config.service.empty());
  EXPECT_EQ(Parse({"--agent-priority", "60"}), std::nullopt);
  EXPECT_EQ(options_.config.service, (ServiceKeys{{"agent-priority", "60"}}));
}

TEST_F(PvscheddOptionsTest, ScxParamListPrintsATable) {
  EXPECT_EQ(Parse({"--scx-param", "list"}), 0);
  EXPECT_THAT(output_, HasSubstr("NAME"));
  for (const ScxParamInfo& info : ScxParamInfos()) {
    EXPECT_THAT(output_, HasSubstr(info.name));
    EXPECT_THAT(output_, HasSubstr(info.help));
  }
}

TEST_F(PvscheddOptionsTest, ScxParamListPrintsJson) {
  EXPECT_EQ(Parse({"--scx-param", "list", "--json"}), 0);
  const nlohmann::json json = nlohmann::json::parse(output_, nullptr, false);
  EXPECT_EQ(json["format"], 1);
  const nlohmann::json& list = json["parameters"];
  ASSERT_EQ(list.size(), ScxParamInfos().size());
  EXPECT_EQ(list[0]["name"], info_.name);
  EXPECT_EQ(list[0]["default"], info_.default_value);
  EXPECT_EQ(list[0]["minimum"], info_.minimum);
}

TEST_F(PvscheddOptionsTest, ScxParamListPrintsTheReferenceTable) {
  EXPECT_EQ(Parse({"--scx-param", "list", "--markdown"}), 0);
  EXPECT_THAT(output_, HasSubstr("| " + info_.name + " | " + info_.unit + " | "));
}

TEST_F(PvscheddOptionsTest, ScxParamsAreSetAndTheLastValueCounts) {
  const auto assign = [this](int64_t value) { return info_.name + "=" + std::to_string(value); };
  const std::string& other = ScxParamInfos().back().name;
  EXPECT_EQ(Parse({"--scx-param", assign(info_.minimum), "--scx-param", assign(info_.maximum),
                   "--scx-param", other + "=" + std::to_string(ScxParamInfos().back().maximum)}),
            std::nullopt);
  EXPECT_EQ(options_.config.scx_params.at(info_.name), info_.maximum);
  EXPECT_EQ(options_.config.scx_params.at(other), ScxParamInfos().back().maximum);
}

TEST_F(PvscheddOptionsTest, UnknownScxParamIsAUsageErrorThatPointsToTheList) {
  EXPECT_EQ(Parse({"--scx-param", "colour=1"}), 2);
  EXPECT_THAT(error_, HasSubstr("'colour'"));
  EXPECT_THAT(error_, HasSubstr("--scx-param list"));
}

TEST_F(PvscheddOptionsTest, ScxParamOutOfRangeIsAUsageErrorThatNamesTheRange) {
  for (const std::string& value : {std::to_string(info_.maximum + 1), std::string("fast"),
                                   std::string(), std::to_string(info_.minimum - 1)}) {
    EXPECT_EQ(Parse({"--scx-param", info_.name + "=" + value}), 2) << value;
    EXPECT_THAT(error_, HasSubstr(std::to_string(info_.maximum))) << value;
  }
}

}  // namespace
}  // namespace pvsched
