// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// docs/reference/json.md against the output of every command of pvschedctl.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;
using Names = std::set<std::string>;

// A field of the page, by its path such as "vcpus[].applied.nice".
struct Fields {
  Names all;
  Names always;  // those that are never missing
};

struct Page {
  std::map<std::string, Fields> commands;
  Names without_json;
};

Page ReadPage() {
  std::ifstream file(PVSCHED_DOCS "/reference/json.md");
  static const std::regex row(R"(\| `([^`]+)` \|(.*))");
  Page page;
  std::string heading;
  std::string line;
  std::smatch match;
  while (std::getline(file, line)) {
    if (line.starts_with("## ")) heading = line.substr(3);
    if (!std::regex_match(line, match, row)) continue;
    if (heading == "Commands without JSON") {
      page.without_json.insert(match[1]);
      continue;
    }
    Fields& fields = page.commands[heading];
    fields.all.insert(match[1]);
    const std::vector<std::string> cells = absl::StrSplit(match[2].str(), '|');
    if (cells.size() >= 3 && cells[1] == " ") fields.always.insert(match[1]);
  }
  return page;
}

// Adds the paths of all values of `json` that are neither list nor object.
void AddPaths(const nlohmann::json& json, const std::string& path, Names& paths) {
  if (json.is_array()) {
    for (const nlohmann::json& entry : json) AddPaths(entry, path + "[]", paths);
  } else if (json.is_object()) {
    for (const auto& [name, value] : json.items()) {
      AddPaths(value, path.empty() ? name : absl::StrCat(path, ".", name), paths);
    }
  } else {
    paths.insert(path);
  }
}

// Replaces what the page writes as "*": names that depend on the host.
Names Generalised(const Names& paths, const Names& documented) {
  Names general;
  for (const std::string& path : paths) {
    const std::string any = path.substr(0, path.rfind('.') + 1) + "*";
    general.insert(documented.contains(any) ? any : path);
  }
  return general;
}

class PvschedctlJsonTest : public PvscheddTest {
 protected:
  std::string Output(const std::string& arguments) {
    FILE* pipe = popen((std::string(PVSCHEDCTL_PATH) + " " + arguments).c_str(), "r");
    std::string text;
    char buffer[4096];
    size_t size;
    while ((size = fread(buffer, 1, sizeof(buffer), pipe)) > 0) text.append(buffer, size);
    pclose(pipe);
    return text;
  }

  // The commands below `command` that have no subcommands.
  Names Commands(const std::string& command = "") {
    const std::string help = Output(command + " --help") + "\n\n";
    const size_t begin = help.find("\nSubcommands:\n");
    if (begin == std::string::npos) return {command};
    const std::string list = help.substr(begin, help.find("\n\n", begin) - begin);
    static const std::regex name(R"(\n  ([a-z]+) )");
    Names found;
    for (std::sregex_iterator it(list.begin(), list.end(), name), end; it != end; ++it) {
      found.merge(Commands(command.empty() ? (*it)[1].str() : command + " " + (*it)[1].str()));
    }
    return found;
  }

  nlohmann::json Json(const std::string& command) {
    static const std::map<std::string, std::string> more = {
        {"top", " -n 1 -d 0.1"},        {"trace", " | head -n 1"},
        {"tunable get", " budget"},     {"policy load", " " PVSCHED_POLICIES "/by_weight.bpf.o"},
        {"config check", " /dev/null"},
    };
    const auto it = more.find(command);
    return nlohmann::json::parse(Output("--json --socket " + daemon_.path("admin.sock") + " " +
                                        command + (it != more.end() ? it->second : "")),
                                 nullptr, false);
  }
};

TEST_F(PvschedctlJsonTest, PageListsEachCommand) {
  const Page page = ReadPage();
  Names listed = page.without_json;
  for (const auto& [command, fields] : page.commands) listed.insert(command);
  EXPECT_THAT(Commands(), UnorderedElementsAreArray(listed));
}

TEST_F(PvschedctlJsonTest, PageListsEachFieldOfEachCommand) {
  auto connection = ConnectAndBind();
  ASSERT_TRUE(SpinsUntilThrottled());  // and recovers, and so on: there are decisions to trace
  for (const auto& [command, fields] : ReadPage().commands) {
    const nlohmann::json json = Json(command);
    ASSERT_TRUE(json.is_object()) << command;
    EXPECT_EQ(json.value("format", 0), 1) << command;
    Names paths;
    AddPaths(json, "", paths);
    paths = Generalised(paths, fields.all);
    for (const std::string& path : paths) {
      EXPECT_THAT(fields.all, Contains(path)) << command << ": json.md lacks the field";
    }
    for (const std::string& path : fields.always) {
      EXPECT_THAT(paths, Contains(path)) << command << ": json.md says that it is never missing";
    }
  }
}

TEST_F(PvschedctlJsonTest, FieldsThatAreMissingWithoutAVmAreMarked) {
  for (const auto& [command, fields] : ReadPage().commands) {
    if (command == "trace") continue;
    Names paths;
    AddPaths(Json(command), "", paths);
    paths = Generalised(paths, fields.all);
    for (const std::string& path : fields.always) EXPECT_THAT(paths, Contains(path)) << command;
  }
}

TEST_F(PvschedctlJsonTest, CommandsWithoutJsonPrintNone) {
  for (const std::string& command : ReadPage().without_json) {
    static const std::map<std::string, std::string> more = {{"tunable set", " budget 300"},
                                                            {"profile set", " trusted"}};
    const auto it = more.find(command);
    const std::string text = Output("--json --socket " + daemon_.path("admin.sock") + " " +
                                    command + (it != more.end() ? it->second : ""));
    EXPECT_FALSE(nlohmann::json::accept(text)) << text;
    if (command.ends_with("set")) {
      EXPECT_THAT(text, IsEmpty()) << command;
    }
  }
}

}  // namespace
}  // namespace pvsched
