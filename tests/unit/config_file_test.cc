// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/config_file.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/config_text.h"
#include "host-policy/daemon/service_config.h"
#include "host-policy/daemon/tunable_store.h"

namespace pvsched {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class TempFile {
 public:
  explicit TempFile(const std::string& text) { std::ofstream(path_) << text; }
  ~TempFile() { remove(path_.c_str()); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_ = testing::TempDir() + std::to_string(getpid()) + "-pvsched.toml";
};

// The configuration in a file with this text.
absl::StatusOr<Config> Load(const std::string& text) { return LoadConfig(TempFile(text).path()); }

int64_t Value(const TunableValues& values, absl::string_view name) {
  return values[*FindTunable(name)];
}

TEST(ConfigFile, TablesSetValuesOfTheHostAndOfAVm) {
  const auto config = Load("[host]\nmode = \"observe\"\n[vm.a]\nuid = 7\nbudget = 100\n");
  ASSERT_TRUE(config.ok()) << config.status();
  const TunableStore& store = config->tunables;
  EXPECT_EQ(Value(store.ForVm("a", 7), "budget"), 100);
  EXPECT_EQ(Value(store.ForVm("a", 8), "budget"), 700) << "another user's VM of that name";
  EXPECT_EQ(Value(store.ForVm("a", 8), "mode"), PVS_OBSERVE);
}

TEST(ConfigFile, NameOfAVmIsComparedAsPvscheddHasIt) {
  const auto config = Load("[vm.\"my vm\"]\nbudget = 100\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(Value(config->tunables.ForVm("my_vm", 0), "budget"), 100);
  EXPECT_THAT(Load("[vm.\"my vm\"]\nbudget = 1\n[vm.my_vm]\nbudget = 2\n").status().message(),
              HasSubstr("is a second table for the VM my_vm"));
  EXPECT_THAT(Load("[vm." + std::string(88, 'x') + "]\nbudget = 1\n").status().message(),
              HasSubstr("is longer than 87 bytes"));
  EXPECT_THAT(Load("[vm.web.1]\nbudget = 1\n").status().message(),
              HasSubstr("a name with a dot needs quotes"));
}

TEST(ConfigFile, ProfilesOfTheAdminAndUsersByNameSetValues) {
  const auto config = Load(
      "[host]\nprofile = \"untrusted\"\n[profile.audio]\nbudget = 500\nmax-rt-prio = 20\n"
      "[uid.root]\nprofile = \"trusted\"\n[vm.a]\nuid = \"root\"\nprofile = \"audio\"\nbudget = "
      "600\n");
  ASSERT_TRUE(config.ok()) << config.status();
  const TunableStore& store = config->tunables;
  EXPECT_EQ(Value(store.ForVm("x", 1), "budget"), 50);
  EXPECT_EQ(Value(store.ForVm("x", 0), "budget"), 700);
  EXPECT_EQ(Value(store.ForVm("a", 0), "budget"), 600);
  EXPECT_EQ(Value(store.ForVm("a", 0), "max-rt-prio"), 20);
  EXPECT_EQ(Value(store.ForVm("a", 1), "budget"), 50);
}

TEST(ConfigFile, AdminsProfileReplacesTheBuiltInOneOfItsName) {
  const auto config = Load("[profile.untrusted]\nbudget = 5\n[vm.a]\nprofile = \"untrusted\"\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(Value(config->tunables.ForVm("a", 0), "budget"), 5);
  EXPECT_EQ(Value(config->tunables.ForVm("a", 0), "max-rt-prio"), 8);
}

TEST(ConfigFile, SavedTextGivesTheSameConfiguration) {
  const auto config = Load(
      "[pvschedd]\nactuator = \"scx\"\nagent-priority = 60\ndevice-socket-mode = \"0600\"\n"
      "[host]\nmode = \"observe\"\nprofile = \"audio\"\n[profile.audio]\nbudget = 500\n"
      "[uid.7]\nweight = 5\n[vm.\"a.b\\\"c\"]\nuid = 7\nbudget = 100\n[scx]\nslice-max = 8000\n");
  ASSERT_TRUE(config.ok()) << config.status();
  const auto again = Load(ConfigText(*config));
  ASSERT_TRUE(again.ok()) << again.status() << ConfigText(*config);
  EXPECT_EQ(again->service, config->service);
  EXPECT_EQ(again->scx_params, config->scx_params);
  EXPECT_TRUE(again->tunables == config->tunables) << ConfigText(*config);
  EXPECT_NE(config->tunables.Find({.vm = "a.b\"c"}), nullptr);
}

TEST(ConfigFile, RulesHoldForTheWholeFileWhateverItsOrder) {
  EXPECT_TRUE(Load("[host]\nbudget = 1900\nwindow = 2000\n").ok());
}

TEST(ConfigFile, ScxTableSetsParametersOfTheScheduler) {
  const ScxParamInfo& info = ScxParamInfos().front();
  const auto config = Load("[scx]\n" + info.name + " = " + std::to_string(info.maximum) + "\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->scx_params.at(info.name), info.maximum);
}

TEST(ConfigFile, BadScxParameterNamesTheLine) {
  const ScxParamInfo& info = ScxParamInfos().front();
  EXPECT_THAT(Load("[host]\n[scx]\ncolour = 1\n").status().message(),
              HasSubstr("pvsched.toml:3: [scx] "));
  EXPECT_THAT(Load("[scx]\n" + info.name + " = " + std::to_string(info.maximum + 1) + "\n")
                  .status()
                  .message(),
              AllOf(HasSubstr("pvsched.toml:2: [scx] "), HasSubstr(std::to_string(info.maximum))));
}

TEST(ConfigFile, ErrorNamesTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"[host]\n\nbudget = 99999999\n", "pvsched.toml:3: [host] budget"},
      {"[host]\ncolour = 1\n", "pvsched.toml:2: [host] there is no tunable 'colour'"},
      {"[vm.a]\nbudget = 1.5\n", "pvsched.toml:2: [vm.a] budget needs an integer or a string"},
      {"[vm.a]\nuid = -1\n", "pvsched.toml:2: [vm.a] '-1' is no user id"},
      {"[vm.a]\nuid = 99999999999\n", "pvsched.toml:2: [vm.a] '99999999999' is no user id"},
      {"[vm.a]\nuid = \"no-such-user\"\n", "2: [vm.a] this host has no user 'no-such-user'"},
      {"[vm.a]\nprofile = \"colour\"\n", "2: [vm.a] there is no profile 'colour'"},
      {"[host]\nuid = 1\n", "pvsched.toml:2: [host] there is no tunable 'uid'"},
      {"[uid.no-such-user]\nbudget = 1\n", "1: [uid.no-such-user] this host has no user"},
      {"[uid.root]\nbudget = 1\n[uid.0]\nweight = 2\n", "is a second table for the user 0"},
      {"[uid.7]\nwindow = 100\n", "pvsched.toml:1: [uid.7] budget (700 ms) must not exceed"},
      {"[profile.x]\nlog-level = \"error\"\n", "2: [profile.x] log-level is for the host only"},
      {"[profile.x]\ncolour = 1\n", "pvsched.toml:2: [profile.x] there is no tunable"},
      {"[vm.a]\nlog-level = \"error\"\n", "pvsched.toml:2: [vm.a] log-level is for the host only"},
      {"budget = 1\n",
       "pvsched.toml:1: 'budget' is none of [pvschedd], [host], [profile.NAME], [uid.USER], "
       "[vm.NAME]"},
      {"[vm]\na = 1\n", "pvsched.toml:2: a table here is [vm.NAME]"},
      {"[vm.\"\"]\nbudget = 1\n", "pvsched.toml:1: a table here is [vm.NAME]"},
      {"[host\n", "pvsched.toml:1"},
      {"\n[host]\nwindow = 100\n", "pvsched.toml:2: [host] budget (700 ms) must not exceed window"},
      {"[host]\n[vm.a]\nwindow = 100\n", "pvsched.toml:2: [vm.a] budget (700 ms) must not exceed"},
  };
  for (const auto& [text, wanted] : cases) {
    EXPECT_THAT(Load(text).status().message(), HasSubstr(wanted)) << text;
  }
}

TEST(ConfigFile, ErrorNamesEveryFaultInTheOrderOfTheFile) {
  const std::string error(
      Load("[vm.a]\nbudget = -1\n[host]\nwindow = 5\nbudget = \"x\"\n").status().message());
  EXPECT_THAT(error, testing::ContainsRegex(
                         "pvsched.toml:2: .*\n.*pvsched.toml:4: .*\n.*pvsched.toml:5: "));
}

TEST(ConfigFile, MissingFileAndDirectoryAreErrorsThatNameTheReason) {
  EXPECT_THAT(LoadConfig("/nowhere/pvsched.toml").status().message(),
              AllOf(HasSubstr("/nowhere/pvsched.toml"), HasSubstr("No such file")));
  EXPECT_THAT(LoadConfig("/proc").status().message(),
              AllOf(HasSubstr("/proc"), HasSubstr("Is a directory")));
}

TEST(ConfigFile, FileWithoutEndIsRefused) {
  EXPECT_THAT(LoadConfig("/dev/zero").status().message(), HasSubstr("longer than"));
}

TEST(ConfigFile, ServiceTableSetsWhatTheCommandLineSets) {
  const auto config = Load(
      "[pvschedd]\nactuator = \"scx\"\nstate-dir = \"/x\"\nagent-priority = 60\n"
      "device-socket-mode = \"0600\"\n");
  ASSERT_TRUE(config.ok()) << config.status();
  const ServiceConfig service = ToServiceConfig(config->service);
  EXPECT_EQ(service.actuators, "scx");
  EXPECT_EQ(service.device_socket, "/x/device.sock");
  EXPECT_EQ(service.agent_priority, 60);
  EXPECT_EQ(service.device_socket_mode, 0600u);
}

TEST(ConfigFile, OptionsOverrideTheFile) {
  const TempFile file(
      "[pvschedd]\nactuator = \"scx\"\nagent-priority = 60\n[scx]\nslice-max = 8000\n");
  const ConfigSource source = {
      .path = file.path(), .service = {{"actuator", "agent"}}, .scx_params = {{"slice-max", 4000}}};
  const auto read = LoadConfig(source);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->service.at("actuator"), "scx");
  const Config config = WithOptions(*read, source);
  EXPECT_EQ(config.service, (ServiceKeys{{"actuator", "agent"}, {"agent-priority", "60"}}));
  EXPECT_EQ(config.scx_params, (ScxParams{{"slice-max", 4000}}));
}

// Else a boosted vCPU could keep the thread that ends boosts off the CPU.
TEST(ConfigFile, CapIsBelowTheActuatorsPriority) {
  const TempFile file("[vm.a]\nmax-rt-prio = 60\n");
  const auto load = [&](ServiceKeys options) {
    return LoadConfig({.path = file.path(), .service = std::move(options), .scx_params = {}})
        .status();
  };
  EXPECT_THAT(LoadConfig(file.path()).status().message(),
              HasSubstr("pvsched.toml:1: [vm.a] max-rt-prio (60) must be below"));
  EXPECT_FALSE(load({}).ok());
  EXPECT_TRUE(load({{"actuator", "agent"}, {"agent-priority", "61"}}).ok());
  EXPECT_FALSE(load({{"actuator", "agent"}, {"agent-priority", "60"}}).ok());
  EXPECT_FALSE(load({{"actuator", "scx"}, {"agent-priority", "61"}}).ok())
      << "the thread of kfunc's module has 49, and kfunc may follow scx";
  EXPECT_FALSE(load({{"actuator", "scx,kfunc"}, {"agent-priority", "61"}}).ok());
}

TEST(ConfigFile, FaultyServiceKeyNamesLineAndReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"[pvschedd]\ncolour = 1\n", "pvsched.toml:2: [pvschedd] there is no key 'colour'"},
      {"[pvschedd]\nactuator = \"fast\"\n", "pvsched.toml:2: [pvschedd] actuator: 'fast' is no"},
      {"[pvschedd]\nagent-priority = 100\n", "agent-priority: needs an integer from 1 to 99"},
      {"[pvschedd]\ndevice-socket-mode = 0o660\n", "device-socket-mode needs a string"},
      {"[pvschedd]\ndevice-socket-mode = \"0680\"\n", "'0680' is no octal mode"},
      {"[pvschedd]\ndevice-socket-group = \"no-such-group\"\n", "no group 'no-such-group'"},
      {"[pvschedd]\ndevice-socket-group = \"4294967295\"\n", "'4294967295' is no group id"},
      {"[pvschedd]\nstate-dir = \"run\"\n", "state-dir needs an absolute path, not 'run'"},
      {"[pvschedd]\npolicy = \"/nowhere.o\"\n", "policy: /nowhere.o: No such file"},
      {"[pvschedd]\nadmin-socket = \"\"\n", "admin-socket: the socket's path ''"},
  };
  for (const auto& [text, wanted] : cases) {
    EXPECT_THAT(Load(text).status().message(), HasSubstr(wanted)) << text;
  }
}

TEST(ConfigFile, DefaultFileInTheTreeIsTheTextOfTheSource) {
  const std::ifstream file(PVSCHED_DAEMON "/pvsched.toml");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), DefaultConfigText()) << "pvschedctl config default prints the file";
}

TEST(ConfigFile, DefaultFileHasEveryKeyAndSetsNone) {
  const auto config = Load(DefaultConfigText());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_TRUE(config->service.empty());
  EXPECT_TRUE(config->scx_params.empty());
  EXPECT_EQ(config->tunables.ForHost(), DefaultTunables());
}

TEST(ConfigFile, DefaultFileShowsTheDefaults) {
  // This host need not have the default group.
  const auto config = Load(std::regex_replace(
      DefaultConfigText(), std::regex("\n#((?!device-socket-group)[a-z-]+ = |\\[)"), "\n$1"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->service.size(), ServiceKeyInfos().size() - 1);
  for (const auto& [name, text] : config->service) {
    EXPECT_EQ(ToServiceConfig({{name, text}}), ToServiceConfig({})) << name;
  }
  EXPECT_EQ(config->tunables.ForHost(), DefaultTunables());
  EXPECT_EQ(config->scx_params.size(), ScxParamInfos().size());
  for (const ScxParamInfo& info : ScxParamInfos()) {
    EXPECT_EQ(config->scx_params.at(info.name), info.default_value) << info.name;
  }
}

}  // namespace
}  // namespace pvsched
