// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/scx_params.h"

#include <bpf/libbpf.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/loader/bpf_variables.h"
#include "host-policy/loader/own_objects.h"

namespace pvsched {
namespace {

constexpr char kPrefix[] = "pvs_param_";

std::string VariableOf(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return kPrefix + name;
}

// The sentence and the bounds in the comment above each PVS_PARAM().
std::map<std::string, ScxParamInfo> DocumentedParams() {
  std::map<std::string, ScxParamInfo> params;
  for (const char* header :
       {"core/vtime.h", "core/bandwidth.h", "core/boot_boost.h", "bpf/scx/params.bpf.h"}) {
    std::ifstream file(std::string(PVSCHED_HOST_POLICY "/") + header);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::regex comment(
        R"(\* ([a-z-]+): (\S+) (\d+)\.\.(\d+)\. ((?:[^*]|\*(?!/))*)\*/\nPVS_PARAM)");
    for (auto match = std::sregex_iterator(text.begin(), text.end(), comment);
         match != std::sregex_iterator(); ++match) {
      const std::string prose =
          std::regex_replace((*match)[5].str(), std::regex(R"(\s*\n \*?\s*)"), " ");
      params[(*match)[1]] = {.name = (*match)[1],
                             .unit = (*match)[2],
                             .help = prose.substr(0, prose.find(". ") + 1),
                             .minimum = std::stoll((*match)[3]),
                             .maximum = std::stoll((*match)[4]),
                             .default_value = 0};
    }
  }
  return params;
}

TEST(ScxParams, RowsAreWhatTheHeadersDocument) {
  const std::map<std::string, ScxParamInfo> documented = DocumentedParams();
  EXPECT_EQ(documented.size(), ScxParamInfos().size());
  for (const ScxParamInfo& info : ScxParamInfos()) {
    const auto found = documented.find(info.name);
    ASSERT_NE(found, documented.end()) << info.name;
    EXPECT_EQ(info.unit, found->second.unit) << info.name;
    EXPECT_EQ(info.help, found->second.help) << info.name;
    EXPECT_EQ(info.minimum, found->second.minimum) << info.name;
    EXPECT_EQ(info.maximum, found->second.maximum) << info.name;
  }
}

TEST(ScxParams, EveryParameterOfTheObjectHasARow) {
  const BpfObjectPtr scheduler = OpenBpfObject(ScxObject());
  ASSERT_NE(scheduler, nullptr);
  std::vector<std::string> variables;
  for (const BpfVariable& variable : BpfVariables(*scheduler)) {
    if (variable.name.starts_with(kPrefix)) variables.push_back(variable.name);
  }
  std::vector<std::string> rows;
  for (const ScxParamInfo& info : ScxParamInfos()) rows.push_back(VariableOf(info.name));
  EXPECT_THAT(rows, testing::UnorderedElementsAreArray(variables));
}

TEST(ScxParams, DefaultsAreAllowedAndExactInTheirUnit) {
  const BpfObjectPtr scheduler = OpenBpfObject(ScxObject());
  ASSERT_NE(scheduler, nullptr);
  for (const ScxParamInfo& info : ScxParamInfos()) {
    ScxParams params;
    ASSERT_TRUE(SetScxParam(params, info.name, std::to_string(info.default_value)).ok())
        << info.name;
    const int64_t before = InitialValue(*scheduler, VariableOf(info.name)).value();
    ASSERT_TRUE(ApplyScxParams(params, *scheduler).ok());
    EXPECT_EQ(InitialValue(*scheduler, VariableOf(info.name)).value(), before) << info.name;
  }
}

TEST(ScxParams, TimesReachTheObjectInNanoseconds) {
  const BpfObjectPtr scheduler = OpenBpfObject(ScxObject());
  ASSERT_NE(scheduler, nullptr);
  ScxParams params;
  ASSERT_TRUE(SetScxParam(params, "slice-max", "8000").ok());
  ASSERT_TRUE(SetScxParam(params, "bw-debt-max", "300").ok());
  ASSERT_TRUE(SetScxParam(params, "tail-lags", "7").ok());
  ASSERT_TRUE(ApplyScxParams(params, *scheduler).ok());
  EXPECT_EQ(InitialValue(*scheduler, "pvs_param_slice_max").value(), 8'000'000);
  EXPECT_EQ(InitialValue(*scheduler, "pvs_param_bw_debt_max").value(), 300'000'000);
  EXPECT_EQ(InitialValue(*scheduler, "pvs_param_tail_lags").value(), 7);
}

TEST(ScxParams, ExtremesFitTheirVariables) {
  const BpfObjectPtr scheduler = OpenBpfObject(ScxObject());
  ASSERT_NE(scheduler, nullptr);
  for (const ScxParamInfo& info : ScxParamInfos()) {
    ScxParams highest;
    ASSERT_TRUE(SetScxParam(highest, info.name, std::to_string(info.maximum)).ok());
    ASSERT_TRUE(ApplyScxParams(highest, *scheduler).ok());
    const int64_t scale = info.unit == "us" ? 1'000 : info.unit == "ms" ? 1'000'000 : 1;
    EXPECT_EQ(InitialValue(*scheduler, VariableOf(info.name)).value(), info.maximum * scale)
        << info.name;
  }
}

TEST(ScxParams, ObjectWithoutAParameterIsAnError) {
  const BpfObjectPtr hooks = OpenBpfObject(HooksObject());
  ASSERT_NE(hooks, nullptr);
  EXPECT_FALSE(ApplyScxParams({{"slice-max", 8000}}, *hooks).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(ApplyScxParams({{"colour", 1}}, *hooks)));
}

TEST(ScxParams, ValueWithinItsBoundsIsSet) {
  ScxParams params;
  ASSERT_TRUE(SetScxParam(params, "slice-max", "8000").ok());
  EXPECT_EQ(params, (ScxParams{{"slice-max", 8000}}));
}

TEST(ScxParams, LaterValueReplacesTheEarlier) {
  ScxParams params;
  ASSERT_TRUE(SetScxParam(params, "slice-max", "8000").ok());
  ASSERT_TRUE(SetScxParam(params, "slice-max", "4000").ok());
  EXPECT_EQ(params, (ScxParams{{"slice-max", 4000}}));
}

TEST(ScxParams, UnknownParameterIsNamed) {
  ScxParams params;
  const absl::Status status = SetScxParam(params, "colour", "1");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("'colour'"));
  EXPECT_TRUE(params.empty());
}

TEST(ScxParams, BadValueIsRefusedWithTheBounds) {
  for (const char* text : {"", "1.5", "8ms", "-1", "100001", "99999999999999999999"}) {
    ScxParams params;
    const absl::Status status = SetScxParam(params, "slice-max", text);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("from 1000 to 100000 us"));
    EXPECT_TRUE(params.empty());
  }
}

}  // namespace
}  // namespace pvsched
