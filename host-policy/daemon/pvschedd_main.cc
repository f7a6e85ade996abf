// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// pvschedd, the host's daemon. It owns the BPF programs. Devices tell it which
// records their VM has, and its actuator applies what the policy grants.

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/log_severity.h"
#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/event_loop.h"
#include "common/journal_log.h"
#include "common/paths.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/account_names.h"
#include "host-policy/daemon/actuators/baseline_store.h"
#include "host-policy/daemon/actuators/selection.h"
#include "host-policy/daemon/admin_server.h"
#include "host-policy/daemon/config_file.h"
#include "host-policy/daemon/control_server.h"
#include "host-policy/daemon/front.h"
#include "host-policy/daemon/front_process.h"
#include "host-policy/daemon/front_protocol.h"
#include "host-policy/daemon/next_step.h"
#include "host-policy/daemon/pvschedd_options.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/running_config.h"
#include "host-policy/daemon/scx_exit_record.h"
#include "host-policy/daemon/service_config.h"
#include "host-policy/daemon/service_watchdog.h"

namespace pvsched {
namespace {

// SIGHUP never ends pvschedd: a service manager sends it, and so does a terminal
// that is closed. While pvschedd starts it waits for the event loop.
void BlockSighup() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

absl::StatusOr<UniqueFd> OpenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // the reader of the log has ended
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return ErrnoStatus(errno, "signalfd");
  return fd;
}

// Each vCPU needs up to three descriptors, and so does each VM.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Opens the state directory, and restores what a killed pvschedd left changed.
absl::StatusOr<std::unique_ptr<BaselineStore>> OpenState(const std::string& directory) {
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("cannot create the directory ", directory));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<BaselineStore> baselines,
                   BaselineStore::Open(InDirectory(directory, BaselineStore::kFileName)));
  if (const int restored = baselines->RestoreAll(); restored > 0) {
    LOG(WARNING) << "the previous pvschedd was killed: restored the baselines of " << restored
                 << " threads";
  }
  return baselines;
}

// Restores what a killed pvschedd left changed, even if the configuration is
// faulty: the command line alone then names the state directory.
absl::Status Restore(const absl::StatusOr<Config>& file, const ConfigSource& source) {
  const ServiceConfig service =
      ToServiceConfig(WithOptions(file.ok() ? *file : Config{}, source).service);
  return OpenState(service.state_dir).status();
}

absl::Status SetGroup(const std::string& socket, const absl::StatusOr<gid_t>& group) {
  if (!group.ok()) return group.status();
  if (lchown(socket.c_str(), static_cast<uid_t>(-1), *group) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("cannot give ", socket, " to group ", *group));
}

// Gives the device socket that was just created to the group that may connect.
absl::Status SetDeviceSocketGroup(const ServiceConfig& service) {
  const bool is_default = !service.device_socket_group;
  const std::string name = service.device_socket_group.value_or(kDefaultSocketGroup);
  if (name.empty()) return absl::OkStatus();
  const absl::StatusOr<gid_t> group = FindGroup(name);
  if (is_default && absl::IsNotFound(group.status())) return absl::OkStatus();
  absl::Status status = SetGroup(service.device_socket, group);
  if (!is_default) return status;
  LOG_IF(ERROR, !status.ok()) << status.message() << ": only root's devices can connect";
  return absl::OkStatus();
}

// The admin socket comes last: where it answers, the other sockets are there.
absl::Status ListenForAdmins(AdminServer& admin, const ServiceConfig& service) {
  RETURN_IF_ERROR(admin.ListenForReaders(service.read_socket));
  if (!service.read_socket_group.empty()) {
    RETURN_IF_ERROR(SetGroup(service.read_socket, FindGroup(service.read_socket_group)));
  }
  return admin.Listen(service.admin_socket);
}

void Reload(RunningConfig& config) {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000);
  if (const absl::Status status = config.Reload(); status.ok()) {
    LOG(INFO) << "read the configuration again: its tunables are in force";
    sd_notify(0, "READY=1\nSTATUS=");
  } else {
    LOG(ERROR) << "the configuration is faulty and changes nothing: " << status.message();
    sd_notify(0, "READY=1\nSTATUS=The configuration is faulty and was not applied");
  }
}

void OnSignal(int fd, EventLoop& loop, RunningConfig& config) {
  signalfd_siginfo info = {};
  if (read(fd, &info, sizeof(info)) != sizeof(info)) return;
  if (info.ssi_signo == SIGHUP) {
    Reload(config);
  } else {
    loop.Stop();
  }
}

RunResult LoopUntilStop(EventLoop& loop, const bool& is_ejected, const ScxExitRecord& exits,
                        const BpfObject& bpf) {
  sd_notify(0, "READY=1");
  loop.Run();
  if (!is_ejected) {
    sd_notify(0, "STOPPING=1");
    LOG(INFO) << "stopping: restoring the baseline of every thread";
    return RunResult::kStopped;
  }
  LOG(ERROR) << "the kernel ejected the scheduler (" << exits.Save(bpf.scx_exit())
             << "): its tasks are back under the host's own scheduler";
  return RunResult::kScxEjected;
}

absl::StatusOr<RunResult> Run(const ConfigSource& source, const Config& file,
                              const ServiceConfig& service) {
  ASSIGN_OR_RETURN(const std::unique_ptr<BaselineStore> baselines, OpenState(service.state_dir));
  RaiseDescriptorLimit();
  ASSIGN_OR_RETURN(const UniqueFd signals, OpenSignals());

  // Destroyed in reverse: the servers, then the actuator, then the programs.
  EventLoop loop;
  Front front(loop);
  RETURN_IF_ERROR(front.Start());
  ASSIGN_OR_RETURN(const ChosenActuator chosen,
                   ChooseActuator({.names = service.actuators,
                                   .policy_path = service.policy,
                                   .priority = service.agent_priority,
                                   .scx = {.params = WithOptions(file, source).scx_params,
                                           .small_cpus = service.small_cpus}},
                                  *baselines));
  Registry registry(loop, *chosen.bpf, *chosen.actuator, file.tunables, service.limits);
  RunningConfig running(source, file, registry);
  ControlServer control(loop, front, registry, service.limits);
  RETURN_IF_ERROR(control.Listen(service.device_socket, service.device_socket_mode));
  RETURN_IF_ERROR(SetDeviceSocketGroup(service));
  const ScxExitRecord exits(InDirectory(service.state_dir, ScxExitRecord::kFileName));
  AdminServer admin(loop, front, registry, *chosen.bpf, *chosen.actuator, running, exits,
                    control.refusals());
  RETURN_IF_ERROR(ListenForAdmins(admin, service));
  RETURN_IF_ERROR(loop.Add(signals.get(), [&] { OnSignal(signals.get(), loop, running); }));
  bool is_ejected = false;
  if (chosen.scx != nullptr) {
    RETURN_IF_ERROR(loop.Add(chosen.scx->EndFd(), [&] {
      is_ejected = chosen.scx->ConsumeEnd();
      if (is_ejected) loop.Stop();
    }));
    RETURN_IF_ERROR(loop.Add(chosen.scx->BwTimerFd(), [&] { chosen.scx->OnBwTimer(); }));
  }
  ASSIGN_OR_RETURN(const UniqueFd watchdog, FeedServiceWatchdog(loop));
  LOG(INFO) << "actuator " << chosen.actuator->name() << " (" << chosen.description
            << "); sockets: " << service.device_socket << " for devices, " << service.admin_socket
            << " for pvschedctl";
  return LoopUntilStop(loop, is_ejected, exits, *chosen.bpf);
}

int Fail(const absl::Status& status) {
  PrintError("pvschedd", status.message());
  return 1;
}

int Main(int argc, char** argv) {
  if (argc == 1 && argv[0] == std::string(kFrontName)) return RunFrontProcess();
  prctl(PR_SET_NAME, "pvschedd");  // "exe" after a restart by execv()
  BlockSighup();
  Options options;
  if (const std::optional<int> status = ParseOptions(argc, argv, options)) return *status;
  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfo);
  absl::InitializeLog();
  LogToJournal();

  const absl::StatusOr<Config> file = LoadConfig(options.config);
  if (options.restore_only || !file.ok()) {
    if (!file.ok()) Fail(file.status());
    const absl::Status restored = Restore(file, options.config);
    if (!restored.ok()) return Fail(restored);
    return options.restore_only ? 0 : 1;
  }
  const ServiceConfig service = ToServiceConfig(WithOptions(*file, options.config).service);
  const absl::StatusOr<RunResult> result = Run(options.config, *file, service);
  if (!result.ok()) Fail(result.status());
  NextStep next = DecideNextStep(result, service.actuators, {argv, argv + argc});
  if (next.command_line.empty()) return next.exit_status;
  LOG(WARNING) << "restarting with --actuator " << next.command_line.back();
  std::vector<char*> arguments;
  for (std::string& argument : next.command_line) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
  return Fail(ErrnoStatus(errno, "cannot restart without scx"));
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
