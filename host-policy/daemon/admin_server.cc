// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/admin_server.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "host-policy/daemon/sched_params.h"
#include "host-policy/daemon/unix_socket.h"
#include "nlohmann/json.hpp"

namespace pvsched {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxRequest = 4096;
// How long an admin's client may keep the event loop waiting.
constexpr timeval kPatience = {.tv_sec = 1, .tv_usec = 0};

const char* StateName(uint32_t state) {
  switch (state) {
    case PVS_BOOSTED:
      return "boosted";
    case PVS_THROTTLED:
      return "throttled";
    default:
      return "normal";
  }
}

Json ParamsToJson(const sched_attr& params) {
  return {{"policy", PolicyName(params.sched_policy)},
          {"rt_prio", params.sched_priority},
          {"nice", params.sched_nice}};
}

Json VmToJson(const Vm& vm) {
  size_t bound = 0;
  for (const auto& [id, vcpu] : vm.vcpus) bound += vcpu.tid != 0 ? 1 : 0;
  return {{"vm", vm.name},
          {"pid", vm.pid},
          {"uid", vm.uid},
          {"vcpus", vm.vcpus.size()},
          {"bound", bound}};
}

Json VcpuToJson(const Vm& vm, const Vcpu& vcpu, const pvs_slot& slot, Agent& agent) {
  Json json = {{"vm", vm.name}, {"vcpu", vcpu.id}, {"tid", nullptr}};
  if (vcpu.tid == 0) {
    json["state"] = "unbound";
    return json;
  }
  const Agent::Applied applied = agent.applied(vcpu.slot);
  json["tid"] = vcpu.tid;
  json["state"] = StateName(slot.vcpu.state);
  json["applied"] = ParamsToJson(applied.now);
  json["baseline"] = ParamsToJson(applied.baseline);
  json["boosts"] = slot.vcpu.boosts;
  json["throttles"] = slot.vcpu.throttles;
  json["boosted_ns"] = slot.vcpu.boosted_ns;
  json["events"] = slot.events;
  json["events_lost"] = slot.lost;
  return json;
}

}  // namespace

AdminServer::~AdminServer() {
  if (!listener_) return;
  loop_.Remove(listener_.get());
  unlink(path_.c_str());
}

absl::Status AdminServer::Listen(const std::string& path) {
  absl::StatusOr<UniqueFd> listener = ListenUnix(path, SOCK_STREAM, 0600);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  path_ = path;
  return loop_.Add(listener_.get(), [this] { Accept(); });
}

void AdminServer::Accept() {
  UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) return;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  std::string request;
  while (request.size() < kMaxRequest && request.find('\n') == std::string::npos) {
    char buffer[kMaxRequest];
    const ssize_t size = read(fd.get(), buffer, sizeof(buffer));
    if (size <= 0) return;
    request.append(buffer, static_cast<size_t>(size));
  }
  const std::string answer = absl::StrCat(Answer(request), "\n");
  for (size_t sent = 0; sent < answer.size();) {
    const ssize_t size = send(fd.get(), answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) return;
    sent += static_cast<size_t>(size);
  }
}

std::string AdminServer::Answer(const std::string& request) {
  const Json json = Json::parse(request, nullptr, /*allow_exceptions=*/false);
  const std::string command =
      json.is_object() && json.contains("command") && json["command"].is_string()
          ? json["command"].get<std::string>()
          : "";
  Json result = Json::array();
  if (command == "vm list") {
    for (const auto& [pid, vm] : registry_.vms()) result.push_back(VmToJson(*vm));
  } else if (command == "vcpu list") {
    for (const auto& [pid, vm] : registry_.vms()) {
      for (const auto& [id, vcpu] : vm->vcpus) {
        result.push_back(VcpuToJson(*vm, vcpu, programs_.slot(vcpu.slot), agent_));
      }
    }
  } else {
    return Json({{"error", absl::StrCat("pvschedd knows no command '", command,
                                        "'; is pvschedctl of another version?")}})
        .dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return Json({{"result", result}}).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace pvsched
