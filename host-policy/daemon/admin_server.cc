// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/admin_server.h"

#include <sys/socket.h>

#include <optional>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/daemon/admin_commands.h"
#include "host-policy/daemon/admin_json.h"
#include "host-policy/daemon/client_file.h"
#include "host-policy/daemon/scx_counters.h"

namespace pvsched {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxTracers = 4;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

AdminServer::~AdminServer() {
  while (!tracers_.empty()) StopTrace(tracers_.begin()->first);
}

absl::Status AdminServer::Listen(const std::string& path) { return admins_.Listen(path, 0600); }

absl::Status AdminServer::ListenForReaders(const std::string& path) {
  return readers_.Listen(path, 0660);
}

LineServer::Reply AdminServer::Answer(const std::string& text, bool is_reader) {
  const Json request = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const std::string command = request.is_object() ? TextField(request, "command") : "";
  if (is_reader && !IsReadCommand(command)) {
    return {.text = Dump({{"error",
                           "the read socket answers only requests that change nothing: "
                           "use the admin socket, as root"}})};
  }
  absl::StatusOr<Json> result = Handle(request);
  if (!result.ok()) return {.text = Dump({{"error", result.status().message()}})};
  LineServer::Reply reply = {.text = Dump({{"result", *result}})};
  if (command == "trace") reply.then = [this](UniqueFd fd) { StartTrace(std::move(fd)); };
  return reply;
}

Json AdminServer::VmsToJson() const {
  Json list = Json::array();
  for (const auto& [pid, vm] : registry_.vms()) list.push_back(VmToJson(*vm));
  return list;
}

Json AdminServer::VcpusToJson() {
  Json list = Json::array();
  for (const auto& [pid, vm] : registry_.vms()) {
    for (const auto& [id, vcpu] : vm->vcpus) {
      list.push_back(VcpuToJson(*vm, vcpu, bpf_.slot(vcpu.slot), actuator_));
    }
  }
  return list;
}

Json AdminServer::StatsToJson() {
  Json list = Json::array();
  for (const auto& [pid, vm] : registry_.vms()) {
    for (const auto& [id, vcpu] : vm->vcpus) {
      list.push_back(VcpuStatsToJson(*vm, vcpu, bpf_.slot(vcpu.slot)));
    }
  }
  const Actuator::Counts counts = actuator_.counts();
  const std::optional<ScxExit> exit = scx_exits_.Load();
  Json scheduler = {{"ends", exit ? exit->count : 0}};
  if (IsScheduler()) scheduler["counts"] = ScxCountsToJson(bpf_.scx_counts());
  return {{"actuator",
           {{"name", actuator_.name()},
            {"calls", counts.calls},
            {"failures", counts.failures},
            {"deferred", counts.deferred}}},
          {"scheduler", scheduler},
          {"recursion_misses", bpf_.recursion_misses()},
          {"refusals", RefusalsToJson(refusals_)},
          {"vms", registry_.vms().size()},
          {"wakeup_bounds_us", WakeupBoundsUs()},
          {"vcpus", list}};
}

absl::Status AdminServer::LoadPolicy(const Json& request) {
  const std::string path = TextField(request, "path");
  return bpf_.SetPolicy(
      path, ClientFile(path, TextField(request, "opened"), TextField(request, "identity")));
}

Json AdminServer::PolicyToJson() const {
  return {{"policy", bpf_.policy_path().empty() ? "default" : bpf_.policy_path()}};
}

absl::StatusOr<Json> AdminServer::Handle(const Json& request) {
  const std::string name = request.is_object() ? TextField(request, "command") : "";
  const std::optional<AdminCommand> command = FindAdminCommand(name);
  if (!command) {
    return absl::InvalidArgumentError(
        absl::StrCat("pvschedd has no command '", name, "': is pvschedctl of another version?"));
  }
  switch (*command) {
    case AdminCommand::kVmList:
      return VmsToJson();
    case AdminCommand::kVcpuList:
      return VcpusToJson();
    case AdminCommand::kStats:
      return StatsToJson();
    case AdminCommand::kTunableList:
    case AdminCommand::kTunableSet:
    case AdminCommand::kTunableReset:
    case AdminCommand::kTunableSave:
    case AdminCommand::kProfileList:
    case AdminCommand::kProfileSet:
      return tunables_.Handle(*command, request);
    case AdminCommand::kPolicyLoad:
      RETURN_IF_ERROR(LoadPolicy(request));
      LOG(INFO) << "policy: " << TextField(PolicyToJson(), "policy");
      return PolicyToJson();
    case AdminCommand::kPolicyShow:
      return PolicyToJson();
    case AdminCommand::kSchedulerStatus:
      return SchedulerToJson();
    case AdminCommand::kTrace:
      if (tracers_.size() < kMaxTracers) return Json::object();
      return absl::ResourceExhaustedError(
          absl::StrCat("the limit of ", kMaxTracers, " traces at once is reached"));
  }
  return absl::InternalError("a command without an answer");
}

bool AdminServer::IsScheduler() const { return actuator_.name() == std::string("scx"); }

Json AdminServer::SchedulerToJson() const {
  const std::optional<ScxExit> exit = scx_exits_.Load();
  uint64_t events_lost = 0;
  for (const auto& [pid, vm] : registry_.vms()) {
    for (const auto& [id, vcpu] : vm->vcpus) events_lost += bpf_.slot(vcpu.slot).lost;
  }
  Json json = {{"actuator", actuator_.name()},
               {"is_scheduler", IsScheduler()},
               {"events_lost", events_lost},
               {"recursion_misses", bpf_.recursion_misses()},
               {"last_end", exit ? ScxExitRecord::Summary(*exit) : ""},
               {"last_exit", exit ? ScxExitToJson(*exit, scx_exits_.path()) : Json()}};
  if (!json["is_scheduler"]) return json;
  json["missing_callbacks"] = bpf_.missing_callbacks();
  json["counts"] = ScxCountsToJson(bpf_.scx_counts());
  json["kernel_events"] = Json::object();
  for (const auto& [name, value] : ReadScxEvents()) json["kernel_events"][name] = value;
  return json;
}

void AdminServer::StartTrace(UniqueFd fd) {
  const int key = fd.get();
  // Readable means closed: a client that traces sends nothing more.
  if (!loop_.Add(key, [this, key] { StopTrace(key); }).ok()) return;
  tracers_[key] = {.fd = std::move(fd)};
  if (trace_ != nullptr) return;
  trace_ = bpf_.Trace([this](const pvs_trace& trace) { OnTrace(trace); });
  if (!loop_.Add(trace_->WaitFd(), [this] { trace_->Consume(); }).ok()) {
    trace_.reset();
    return;
  }
  bpf_.SetTracing(true);
}

void AdminServer::StopTrace(int fd) {
  loop_.Remove(fd);
  tracers_.erase(fd);
  if (!tracers_.empty() || trace_ == nullptr) return;
  bpf_.SetTracing(false);
  loop_.Remove(trace_->WaitFd());
  trace_.reset();
}

void AdminServer::OnTrace(const pvs_trace& trace) {
  for (const auto& [pid, vm] : registry_.vms()) {
    for (const auto& [id, vcpu] : vm->vcpus) {
      if (vcpu.slot != trace.slot) continue;
      Json json = TraceToJson(*vm, vcpu, trace);
      for (auto& [fd, tracer] : tracers_) {
        json["dropped"] = tracer.dropped;
        const std::string line = Dump(json);
        // A line is sent whole or dropped, so that a slow client can parse the rest.
        if (send(fd, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
            static_cast<ssize_t>(line.size())) {
          ++tracer.dropped;
        }
      }
      return;
    }
  }
}

}  // namespace pvsched
