// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/admin_server.h"

#include <cerrno>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/log/check.h"
#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/daemon/admin_error.h"
#include "host-policy/daemon/admin_interface.h"
#include "host-policy/daemon/admin_json.h"
#include "host-policy/daemon/scx_counters.h"
#include "host-policy/daemon/varlink_json.h"

namespace pvsched {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxTracers = 4;

absl::Status NotPermitted(AdminMethod method) {
  return AsAdminError(
      absl::PermissionDeniedError("the read socket answers only requests that change nothing: "
                                  "use the admin socket, as root"),
      "NotPermitted", {{"method", InfoOf(method).name}});
}

// The descriptor of a policy that came with the call.
absl::StatusOr<int> PolicyFile(sd_varlink* link, const Json& request) {
  const Json index = request.value("file_descriptor", Json());
  const int fd = index.is_number_unsigned() ? sd_varlink_peek_fd(link, index.get<size_t>()) : -1;
  // Of other files the front process passes no descriptor on.
  if (fd < 0) {
    return absl::InvalidArgumentError(
        "the call carries no memfd: pass one with the object file's content");
  }
  return fd;
}

}  // namespace

absl::Status AdminServer::Listen(const std::string& path) { return admins_.Listen(path, 0600); }

absl::Status AdminServer::ListenForReaders(const std::string& path) {
  return readers_.Listen(path, 0660);
}

template <AdminMethod kMethod>
int AdminServer::OnCall(sd_varlink* link, sd_json_variant* parameters, sd_varlink_method_flags_t,
                        void* server) {
  return static_cast<AdminServer*>(server)->Answer(kMethod, link, parameters);
}

void AdminServer::Offer(VarlinkServer& server) {
  server.SetOwner(this);
  CHECK_GE(sd_varlink_server_set_info(server.get(), "The pvsched authors", "pvschedd",
                                      PVSCHED_VERSION_STRING, nullptr),
           0);
  CHECK_GE(sd_varlink_server_add_interface(server.get(), &vl_interface_io_pvsched_Admin), 0);
  const auto bind = [&server]<AdminMethod kMethod>() {
    const std::string name = absl::StrCat(PVSCHED_ADMIN_INTERFACE ".", InfoOf(kMethod).name);
    CHECK_GE(sd_varlink_server_bind_method(server.get(), name.c_str(), OnCall<kMethod>), 0);
  };
  [&bind]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    (bind.template operator()<kAdminMethods[kIndex].method>(), ...);
  }(std::make_index_sequence<std::size(kAdminMethods)>());
}

int AdminServer::Answer(AdminMethod method, sd_varlink* link, sd_json_variant* parameters) {
  const Json request = FromVariant(parameters);
  if (!request.is_object()) return -EBADMSG;
  const bool is_reader = sd_varlink_get_server(link) == readers_.get();
  const absl::StatusOr<Json> result = is_reader && InfoOf(method).access != AdminAccess::kRead
                                          ? NotPermitted(method)
                                          : Handle(method, link, request);
  if (!result.ok()) {
    const AdminError error = AdminErrorOf(result.status());
    const std::string name = absl::StrCat(PVSCHED_ADMIN_INTERFACE ".", error.name);
    return sd_varlink_error(link, name.c_str(), ToVariant(error.parameters).get());
  }
  if (method == AdminMethod::kTrace) return StartTrace(link);
  return sd_varlink_reply(link, ToVariant(*result).get());
}

Json AdminServer::VmsToJson() const {
  Json list = Json::array();
  for (const auto& [pid, vm] : registry_.vms()) list.push_back(VmToJson(*vm));
  return {{"vms", std::move(list)}};
}

Json AdminServer::VcpusToJson() {
  Json list = Json::array();
  for (const auto& [pid, vm] : registry_.vms()) {
    for (const auto& [id, vcpu] : vm->vcpus) {
      list.push_back(VcpuToJson(*vm, vcpu, bpf_.slot(vcpu.slot), actuator_));
    }
  }
  return {{"vcpus", std::move(list)}};
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

absl::Status AdminServer::LoadPolicy(sd_varlink* link, const Json& request) {
  const std::string path = TextField(request, "path");
  const absl::StatusOr<int> file = PolicyFile(link, request);
  const absl::Status status =
      file.ok() ? bpf_.SetPolicy(path, absl::StrCat("/proc/self/fd/", *file)) : file.status();
  return status.ok() ? status : AsAdminError(status, "PolicyRefused", {{"path", path}});
}

Json AdminServer::PolicyToJson() const {
  return {{"policy", bpf_.policy_path().empty() ? "default" : bpf_.policy_path()}};
}

absl::StatusOr<Json> AdminServer::Handle(AdminMethod method, sd_varlink* link,
                                         const Json& request) {
  switch (method) {
    case AdminMethod::kListVms:
      return VmsToJson();
    case AdminMethod::kListVcpus:
      return VcpusToJson();
    case AdminMethod::kGetStats:
      return StatsToJson();
    case AdminMethod::kListTunables:
    case AdminMethod::kSetTunable:
    case AdminMethod::kResetTunables:
    case AdminMethod::kSaveTunables:
    case AdminMethod::kListProfiles:
    case AdminMethod::kSetProfile:
      return tunables_.Handle(method, request);
    case AdminMethod::kLoadPolicy:
    case AdminMethod::kResetPolicy:
      RETURN_IF_ERROR(method == AdminMethod::kLoadPolicy ? LoadPolicy(link, request)
                                                         : bpf_.SetPolicy(""));
      LOG(INFO) << "policy: " << TextField(PolicyToJson(), "policy");
      return PolicyToJson();
    case AdminMethod::kGetPolicy:
      return PolicyToJson();
    case AdminMethod::kGetScheduler:
      return SchedulerToJson();
    case AdminMethod::kTrace:
      if (tracers_.size() < kMaxTracers) return Json::object();
      return AsAdminError(absl::ResourceExhaustedError(absl::StrCat("the limit of ", kMaxTracers,
                                                                    " traces at once is reached")),
                          "TooManyTraces", {{"limit", kMaxTracers}});
  }
  return absl::InternalError("a method without an answer");
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

// The first reply, which has no decision, says that the trace has begun.
int AdminServer::StartTrace(sd_varlink* link) {
  if (trace_ == nullptr) {
    trace_ = bpf_.Trace([this](const pvs_trace& trace) { OnTrace(trace); });
    if (!loop_.Add(trace_->WaitFd(), [this] { trace_->Consume(); }).ok()) {
      trace_.reset();
      return -ENOMEM;
    }
    bpf_.SetTracing(true);
  }
  tracers_[link] = 0;
  admins_.Notify(link, ToVariant({{"decision", nullptr}}).get());
  return 0;
}

void AdminServer::OnClose(sd_varlink* link) {
  if (tracers_.erase(link) == 0 || !tracers_.empty()) return;
  bpf_.SetTracing(false);
  loop_.Remove(trace_->WaitFd());
  trace_.reset();
}

void AdminServer::OnTrace(const pvs_trace& trace) {
  for (const auto& [pid, vm] : registry_.vms()) {
    for (const auto& [id, vcpu] : vm->vcpus) {
      if (vcpu.slot == trace.slot) return SendTrace(TraceToJson(*vm, vcpu, trace));
    }
  }
}

// A decision is sent whole or dropped, so that a slow client can read the rest.
void AdminServer::SendTrace(Json decision) {
  for (auto& [link, dropped] : tracers_) {
    decision["dropped"] = dropped;
    if (admins_.Notify(link, ToVariant({{"decision", decision}}).get())) {
      admins_.Flush(link);
    } else {
      ++dropped;
    }
  }
}

}  // namespace pvsched
