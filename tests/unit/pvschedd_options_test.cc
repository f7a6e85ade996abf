// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/pvschedd_options.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
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

  const ScxParamInfo& info_ = ScxParamInfos().front();
  Options options_;
  std::string output_;
  std::string error_;
};

TEST_F(PvscheddOptionsTest, SocketsAreInTheStateDirectory) {
  EXPECT_EQ(Parse({"--state-dir", "/x"}), std::nullopt);
  EXPECT_EQ(options_.device_socket, "/x/device.sock");
  EXPECT_EQ(options_.admin_socket, "/x/admin.sock");
  EXPECT_EQ(options_.device_socket_mode, 0660u);
}

TEST_F(PvscheddOptionsTest, LastActuatorListCounts) {
  EXPECT_EQ(Parse({"--actuator", "scx", "--actuator", "kfunc,agent"}), std::nullopt);
  EXPECT_EQ(options_.actuator.names, "kfunc,agent");
}

TEST_F(PvscheddOptionsTest, OnlyItsNameSelectsTheActuatorThatReplacesTheHostsScheduler) {
  EXPECT_EQ(Parse({}), std::nullopt);
  EXPECT_EQ(options_.actuator.names, "kfunc,agent");
  EXPECT_EQ(Parse({"--actuator", "auto"}), std::nullopt);
  EXPECT_EQ(options_.actuator.names, "kfunc,agent");
  EXPECT_EQ(Parse({"--actuator", "scx"}), std::nullopt);
  EXPECT_EQ(options_.actuator.names, "scx");
}

TEST_F(PvscheddOptionsTest, BadModeAndBadActuatorAreUsageErrors) {
  EXPECT_EQ(Parse({"--device-socket-mode", "0680"}), 2);
  EXPECT_THAT(error_, HasSubstr("'0680' is no octal mode"));
  EXPECT_EQ(Parse({"--actuator", "fast"}), 2);
  EXPECT_THAT(error_, HasSubstr("'fast' is no actuator"));
}

TEST_F(PvscheddOptionsTest, HelpHasTheDefaultsOfTheSource) {
  EXPECT_EQ(Parse({"--help"}), 0);
  EXPECT_THAT(output_, HasSubstr(std::string("[") + kAutoActuators + "]"));
  EXPECT_THAT(output_, HasSubstr("[" + std::to_string(Actuator::kDefaultPriority) + "]"));
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
  const nlohmann::json list = nlohmann::json::parse(output_, nullptr, false);
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
  EXPECT_EQ(options_.scx_params.at(info_.name), info_.maximum);
  EXPECT_EQ(options_.scx_params.at(other), ScxParamInfos().back().maximum);
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
