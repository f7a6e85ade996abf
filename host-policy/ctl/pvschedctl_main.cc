// SPDX-License-Identifier: Apache-2.0
// pvschedctl: shows an admin what pvschedd does.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "host-policy/daemon/unix_socket.h"
#include "nlohmann/json.hpp"

namespace pvsched {
namespace {

using Json = nlohmann::ordered_json;

absl::StatusOr<Json> Ask(const std::string& socket_path, const std::string& command) {
  absl::StatusOr<UniqueFd> fd = ConnectUnix(socket_path, SOCK_STREAM);
  if (!fd.ok()) {
    return absl::UnavailableError(
        absl::StrCat(fd.status().message(),
                     "; is pvschedd running, and are you root? (--socket names another)"));
  }
  const std::string request = absl::StrCat(Json({{"command", command}}).dump(), "\n");
  if (send(fd->get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return absl::UnavailableError("pvschedd closed the connection");
  }
  std::string answer;
  char buffer[16384];
  ssize_t size;
  while ((size = read(fd->get(), buffer, sizeof(buffer))) > 0) {
    answer.append(buffer, static_cast<size_t>(size));
  }
  Json json = Json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InternalError("pvschedd's answer is no JSON");
  if (json.contains("error")) return absl::InternalError(json["error"].get<std::string>());
  return json["result"];
}

using Row = std::vector<std::string>;

void PrintTable(const std::vector<Row>& rows) {
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, row[i]);
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    printf("%s\n", line.c_str());
  }
}

// "rr 8", "normal nice 0".
std::string ParamsText(const Json& params) {
  if (!params.is_object()) return "-";
  const std::string policy = params["policy"].get<std::string>();
  if (params["rt_prio"].get<int>() > 0)
    return absl::StrCat(policy, " ", params["rt_prio"].get<int>());
  return absl::StrCat(policy, " nice ", params["nice"].get<int>());
}

std::string Text(const Json& json, const char* key) {
  if (!json.contains(key) || json[key].is_null()) return "-";
  return json[key].is_string() ? json[key].get<std::string>() : json[key].dump();
}

void PrintVms(const Json& vms) {
  std::vector<Row> rows = {{"VM", "PID", "UID", "VCPUS", "BOUND"}};
  for (const Json& vm : vms) {
    rows.push_back(
        {Text(vm, "vm"), Text(vm, "pid"), Text(vm, "uid"), Text(vm, "vcpus"), Text(vm, "bound")});
  }
  PrintTable(rows);
}

void PrintVcpus(const Json& vcpus) {
  std::vector<Row> rows = {
      {"VM", "VCPU", "TID", "STATE", "APPLIED", "BASELINE", "BOOSTS", "THROTTLES", "BOOSTED_MS"}};
  for (const Json& vcpu : vcpus) {
    rows.push_back(
        {Text(vcpu, "vm"), Text(vcpu, "vcpu"), Text(vcpu, "tid"), Text(vcpu, "state"),
         ParamsText(vcpu.value("applied", Json())), ParamsText(vcpu.value("baseline", Json())),
         Text(vcpu, "boosts"), Text(vcpu, "throttles"),
         vcpu.contains("boosted_ns") ? absl::StrCat(vcpu["boosted_ns"].get<uint64_t>() / 1000000)
                                     : "-"});
  }
  PrintTable(rows);
}

int Main(int argc, char** argv) {
  std::string socket_path = "/run/pvsched/admin.sock";
  bool as_json = false;
  CLI::App app("Shows what pvschedd does. Run as root.", "pvschedctl");
  app.set_version_flag("--version", PVSCHED_VERSION_STRING);
  app.add_option("--socket", socket_path, "Where pvschedd listens")->capture_default_str();
  app.add_flag("--json", as_json, "Print JSON instead of a table");
  app.require_subcommand(1);
  app.fallthrough();
  CLI::App* vm = app.add_subcommand("vm", "Virtual machines with a pvsched device");
  vm->require_subcommand(1);
  CLI::App* vm_list = vm->add_subcommand(
      "list", "Every VM: its process, how many vCPUs have a record, how many threads are known");
  CLI::App* vcpu = app.add_subcommand("vcpu", "Their vCPUs");
  vcpu->require_subcommand(1);
  vcpu->add_subcommand("list",
                       "Every vCPU: its thread, its state, what it is given, what is its own");
  app.footer("Example: pvschedctl --json vcpu list");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const bool is_vms = vm_list->parsed();
  absl::StatusOr<Json> result = Ask(socket_path, is_vms ? "vm list" : "vcpu list");
  if (!result.ok()) {
    fprintf(stderr, "pvschedctl: %s\n", std::string(result.status().message()).c_str());
    return 1;
  }
  if (as_json) {
    printf("%s\n", result->dump(2).c_str());
  } else if (is_vms) {
    PrintVms(*result);
  } else {
    PrintVcpus(*result);
  }
  return 0;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
