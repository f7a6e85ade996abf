// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/admin_server.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <utility>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/unix_socket.h"
#include "host-policy/daemon/admin_json.h"

namespace pvsched {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxRequest = 4096;
constexpr size_t kMaxTracers = 4;
// How long an admin's client may keep the event loop waiting.
constexpr timeval kPatience = {.tv_sec = 1, .tv_usec = 0};

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Field(const Json& request, const char* name) {
  const auto it = request.find(name);
  return it != request.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool SendAll(int fd, const std::string& text) {
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t size = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) return false;
    sent += static_cast<size_t>(size);
  }
  return true;
}

}  // namespace

AdminServer::~AdminServer() {
  while (!tracers_.empty()) StopTrace(tracers_.begin()->first);
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
  UniqueFd fd = acceptor_.Accept(listener_.get(), 0);
  if (!fd) return;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  std::string text;
  while (text.size() < kMaxRequest && text.find('\n') == std::string::npos) {
    char buffer[kMaxRequest];
    const ssize_t size = read(fd.get(), buffer, sizeof(buffer));
    if (size <= 0) return;
    text.append(buffer, static_cast<size_t>(size));
  }
  const Json request = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  absl::StatusOr<Json> result = Handle(request);
  if (!result.ok()) {
    SendAll(fd.get(), Dump({{"error", result.status().message()}}));
    return;
  }
  if (!SendAll(fd.get(), Dump({{"result", *result}}))) return;
  if (Field(request, "command") == "trace") StartTrace(std::move(fd));
}

absl::StatusOr<Json> AdminServer::Handle(const Json& request) {
  const std::string command = request.is_object() ? Field(request, "command") : "";
  Json list = Json::array();
  if (command == "vm list") {
    for (const auto& [pid, vm] : registry_.vms()) list.push_back(VmToJson(*vm));
    return list;
  }
  if (command == "vcpu list" || command == "stats") {
    for (const auto& [pid, vm] : registry_.vms()) {
      for (const auto& [id, vcpu] : vm->vcpus) {
        const pvs_slot& slot = bpf_.slot(vcpu.slot);
        list.push_back(command == "stats" ? StatsToJson(*vm, vcpu, slot)
                                          : VcpuToJson(*vm, vcpu, slot, actuator_));
      }
    }
    if (command == "vcpu list") return list;
    const Actuator::Counts counts = actuator_.counts();
    return Json{{"actuator",
                 {{"name", actuator_.name()},
                  {"calls", counts.calls},
                  {"failures", counts.failures},
                  {"deferred", counts.deferred}}},
                {"vcpus", list}};
  }
  const std::string vm = Field(request, "vm");
  if (command == "tunable list") return TunablesToJson(vm);
  if (command == "tunable set") {
    const std::string name = Field(request, "name");
    const std::string value = Field(request, "value");
    absl::Status status = registry_.SetTunable(vm, name, value);
    if (!status.ok()) return status;
    LOG(INFO) << "tunable " << name << " = " << value << (vm.empty() ? "" : " for VM " + vm);
    return TunablesToJson(vm);
  }
  if (command == "policy load") {
    if (absl::Status status = bpf_.SetPolicy(Field(request, "path")); !status.ok()) {
      return status;
    }
    LOG(INFO) << "policy: " << (bpf_.policy_path().empty() ? "the default" : bpf_.policy_path());
  }
  if (command == "policy show" || command == "policy load") {
    return Json{{"policy", bpf_.policy_path().empty() ? "default" : bpf_.policy_path()}};
  }
  if (command == "scheduler status") return SchedulerToJson();
  if (command == "trace") {
    if (tracers_.size() >= kMaxTracers) {
      return absl::ResourceExhaustedError("too many traces are being taken already");
    }
    return Json::object();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("pvschedd knows no command '", command, "'; is pvschedctl of another version?"));
}

Json AdminServer::SchedulerToJson() const {
  Json json = {{"actuator", actuator_.name()},
               {"is_scheduler", actuator_.name() == std::string("scx")},
               {"last_end", scheduler_ends_.Last()}};
  if (!json["is_scheduler"]) return json;
  json["missing_callbacks"] = bpf_.missing_callbacks();
  json["counts"] = SchedulerCountsToJson(bpf_.scx_counts());
  return json;
}

Json AdminServer::TunablesToJson(const std::string& vm) const {
  TunableValues values = registry_.tunables().ForHost();
  if (!vm.empty()) {
    // A VM that runs has an owner, who may be shut out of a section.
    uid_t uid = 0;
    for (const auto& [pid, running] : registry_.vms()) {
      if (running->name == vm) uid = running->uid;
    }
    values = registry_.tunables().ForVm(vm, uid);
  }
  Json list = Json::array();
  const auto& infos = TunableInfos();
  for (size_t i = 0; i < infos.size(); ++i) {
    const TunableInfo& info = infos[i];
    Json json = {{"name", info.name},
                 {"value", FormatTunable(info, values[i])},
                 {"unit", info.unit},
                 {"default", FormatTunable(info, info.default_value)},
                 {"help", info.help}};
    list.push_back(std::move(json));
  }
  return list;
}

void AdminServer::StartTrace(UniqueFd fd) {
  const int number = fd.get();
  // Readable means closed: a tracing client says nothing more.
  if (!loop_.Add(number, [this, number] { StopTrace(number); }).ok()) return;
  tracers_[number] = {.fd = std::move(fd)};
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
        // Whole lines or none: a slow reader loses decisions, not their form.
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
