// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// pvsched-deviced: gives each VMM that connects a pvsched-device, and keeps the
// VM served when that process ends.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/log.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/errno_status.h"
#include "common/event_loop.h"
#include "common/journal_log.h"
#include "common/paths.h"
#include "common/unique_fd.h"
#include "vmm-device/daemon/listener.h"
#include "vmm-device/daemon/options.h"
#include "vmm-device/supervisor/fd_store.h"
#include "vmm-device/supervisor/kept_session.h"
#include "vmm-device/supervisor/supervisor.h"

namespace pvsched {
namespace {

struct Options {
  std::string socket{kDefaultVfioUserSocket};
  VfioUserListener::Access socket_access;
  std::string control{kDefaultDeviceSocket};
  std::string device;  // the program; empty: beside this one
  bool no_control = false;
  bool seccomp = true;
  size_t max_user_vms = Supervisor::Options{}.max_user_vms;
  uint32_t hello_timeout_ms = DeviceOptions{}.hello_timeout_ms;
  std::string log_level = "info";
};

std::string ProgramBesideThis() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (error ? std::filesystem::path("/usr/bin") : self.parent_path()) / "pvsched-device";
}

std::vector<std::string> DeviceCommand(const Options& options) {
  const std::string program = options.device.empty() ? ProgramBesideThis() : options.device;
  std::vector<std::string> command = {
      program, "--log-level=" + options.log_level,
      "--hello-timeout=" + std::to_string(options.hello_timeout_ms)};
  if (!options.seccomp) command.emplace_back("--no-seccomp");
  command.push_back(options.no_control ? "--no-control" : "--control=" + options.control);
  return command;
}

// Each VM needs some descriptors here, and its files of guest memory.
void RaiseFdLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

absl::StatusOr<UniqueFd> SignalFd() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  UniqueFd signals(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return ErrnoStatus(errno, "signalfd");
  return signals;
}

void LeaveSessions(Supervisor& supervisor) {
  const size_t count = supervisor.num_sessions();
  const bool are_kept = supervisor.LeaveSessions();
  if (count == 0) return;
  constexpr absl::string_view kLoss =
      "QEMU aborts at a guest's next reboot unless the device is unplugged before "
      "(docs/how-to/replace-a-device.md)";
  if (are_kept) {
    LOG(WARNING) << "sessions that wait for the next start of pvsched-deviced: " << count
                 << ". If this is no restart, they end: " << kLoss;
  } else {
    LOG(ERROR) << "sessions that end: " << count << ". " << kLoss;
  }
}

absl::Status Run(const Options& options) {
  RaiseFdLimit();
  EventLoop loop;
  Supervisor supervisor(&loop,
                        {.command = DeviceCommand(options), .max_user_vms = options.max_user_vms});
  ASSIGN_OR_RETURN(const UniqueFd signals, SignalFd());
  RETURN_IF_ERROR(loop.Add(signals.get(), [&] {
    LOG(INFO) << "stopping on a signal";
    LeaveSessions(supervisor);
    loop.Stop();
  }));

  std::vector<std::pair<std::string, UniqueFd>> inherited = TakeInheritedFds();
  supervisor.Continue(TakeSessions(inherited));
  // Under socket activation the listening socket is systemd's.
  std::unique_ptr<VfioUserListener> own_listener;
  UniqueFd listener;
  if (inherited.size() == 1) {
    listener = std::move(inherited[0].second);
    ASSIGN_OR_RETURN(const bool is_listening, IsListening(listener.get()));
    if (!is_listening) return absl::InvalidArgumentError("the inherited socket does not listen");
  } else {
    ASSIGN_OR_RETURN(own_listener, VfioUserListener::Create(options.socket, options.socket_access));
    listener.reset(fcntl(own_listener->fd(), F_DUPFD_CLOEXEC, 0));
  }
  RETURN_IF_ERROR(supervisor.Listen(std::move(listener)));
  LOG(INFO) << "waiting for VMs on " << (own_listener ? options.socket : "an inherited socket");
  sd_notify(/*unset_environment=*/0, "READY=1");
  loop.Run();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Gives each VM that connects a pvsched-device of its own.\n\n"
      "Listens on one socket for all VMs. Each VMM that connects is served by a sandboxed\n"
      "process, which is started again if it ends before its VM does. A VM is named after\n"
      "QEMU's -name or -uuid.\n\n"
      "  qemu-system-x86_64 -name vm1 -object memory-backend-memfd,id=m0,size=1G,share=on \\\n"
      "    -machine q35,accel=kvm,memory-backend=m0 \\\n"
      "    -device '{\"driver\":\"vfio-user-pci\",\"socket\":"
      "{\"type\":\"unix\",\"path\":\"/run/pvsched/vfio-user.sock\"}}' ...\n");
  app.add_option("-s,--socket", options.socket,
                 "UNIX socket that VMMs connect to, without socket activation by systemd")
      ->type_name("PATH")
      ->capture_default_str();
  AddSocketAccessOptions(app, options.socket_access);
  app.add_option("-c,--control", options.control, "pvschedd's socket; pvschedd may start later")
      ->type_name("PATH")
      ->capture_default_str();
  app.add_option("--max-user-vms", options.max_user_vms,
                 "The most VMs of one user. Root's VMs have no limit but the host's, 1024.")
      ->type_name("N")
      ->check(CLI::Range(size_t{1}, Supervisor::kMaxSessions))
      ->capture_default_str();
  AddHelloTimeoutOption(app, options.hello_timeout_ms);
  app.add_flag("--no-control", options.no_control,
               "Serve VMs without pvschedd, to test guests' drivers");
  app.add_option("--device", options.device,
                 "The device's program  [pvsched-device beside this one]")
      ->type_name("PATH");
  app.add_flag("--seccomp,!--no-seccomp", options.seccomp,
               "Allow the devices only the system calls that they need (default: on)");
  AddLogLevelOption(app, options.log_level);
  app.set_version_flag("--version", "pvsched-deviced " PVSCHED_VERSION_STRING);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  InitializeDeviceLog(options.log_level);
  if (absl::Status status = Run(options); !status.ok()) {
    PrintError("pvsched-deviced", status.message());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) {
  try {
    return pvsched::Main(argc, argv);
  } catch (const std::exception& error) {
    // From libraries, such as std::bad_alloc: pvsched throws no exceptions.
    pvsched::PrintError("pvsched-deviced", error.what());
    return 1;
  }
}
