// SPDX-License-Identifier: Apache-2.0
// pvschedd: the host's daemon. Owns the BPF programs, learns from devices which
// records there are, and applies what the programs decide.

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/base/log_severity.h"
#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/actuators/actuator.h"
#include "host-policy/daemon/actuators/baseline_store.h"
#include "host-policy/daemon/actuators/selection.h"
#include "host-policy/daemon/admin_server.h"
#include "host-policy/daemon/control_server.h"
#include "host-policy/daemon/registry.h"
#include "host-policy/daemon/scx_exit_record.h"
#include "host-policy/daemon/tunables.h"

namespace pvsched {
namespace {

struct Options {
  std::string state_dir = "/run/pvsched";
  std::string device_socket;
  std::string admin_socket;
  std::string device_socket_mode = "0660";
  std::string actuators = kAllActuators;
  std::string config;
  std::string policy;
  int agent_priority = Actuator::kDefaultPriority;
  bool restore_only = false;
};

absl::StatusOr<UniqueFd> BlockTerminationSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);  // of the terminal that it was started from
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);  // whoever reads the log
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, "signalfd");
  return fd;
}

// Each vCPU takes up to three descriptors, and so does each VM.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

absl::Status Run(const Options& options) {
  if (mkdir(options.state_dir.c_str(), 0755) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", options.state_dir));
  }
  absl::StatusOr<std::unique_ptr<BaselineStore>> baselines =
      BaselineStore::Open(options.state_dir + "/baseline");
  if (!baselines.ok()) return baselines.status();
  if (const int restored = (*baselines)->RestoreAll(); restored > 0) {
    LOG(WARNING) << "an earlier pvschedd did not end well: " << restored
                 << " threads have their own parameters back";
  }
  if (options.restore_only) return absl::OkStatus();

  absl::StatusOr<TunableStore> tunables = TunableStore();
  if (!options.config.empty()) tunables = TunableStore::FromFile(options.config);
  if (!tunables.ok()) return tunables.status();
  RaiseDescriptorLimit();
  absl::StatusOr<UniqueFd> signals = BlockTerminationSignals();
  if (!signals.ok()) return signals.status();
  // Torn down in reverse: devices first, then the actuator, then the programs.
  EventLoop loop;
  absl::StatusOr<Host> host =
      ChooseActuator(options.actuators, options.policy, **baselines, options.agent_priority);
  if (!host.ok()) return host.status();
  Registry registry(loop, *host->programs, *host->actuator, *std::move(tunables));
  ControlServer control(loop, registry);
  const mode_t mode = static_cast<mode_t>(std::stoul(options.device_socket_mode, nullptr, 8));
  if (absl::Status status = control.Listen(options.device_socket, mode); !status.ok()) {
    return status;
  }
  ScxExitRecord ends(options.state_dir + "/scheduler-end");
  AdminServer admin(loop, registry, *host->programs, *host->actuator, ends);
  if (absl::Status status = admin.Listen(options.admin_socket); !status.ok()) return status;
  if (absl::Status status = loop.Add(signals->get(), [&loop] { loop.Stop(); }); !status.ok()) {
    return status;
  }
  bool has_scx_ended = false;
  if (host->scheduler != nullptr) {
    absl::Status status = loop.Add(host->scheduler->EndFd(), [&] {
      host->scheduler->TakeEnd();
      has_scx_ended = host->programs->has_scx_ended();
      if (has_scx_ended) loop.Stop();
    });
    if (!status.ok()) return status;
  }

  LOG(INFO) << "actuator " << host->actuator->name() << " (" << host->description
            << "); devices at " << options.device_socket << ", pvschedctl at "
            << options.admin_socket;
  sd_notify(0, "READY=1");
  loop.Run();
  if (has_scx_ended) {
    const std::string reason = ends.Note(host->programs->scx_exit());
    LOG(ERROR) << "the kernel ended the scheduler (" << reason
               << "): every task is the host's own scheduler's again; going on without scx";
    return absl::UnavailableError(reason);
  }
  sd_notify(0, "STOPPING=1");
  LOG(INFO) << "stopping: every thread gets its own parameters back";
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Schedules KVM's vCPU threads by what their guests say is urgent.\n"
      "Runs in the foreground as root until SIGTERM; then every thread has its own\n"
      "scheduling parameters back. pvschedctl shows what it does.",
      "pvschedd");
  app.set_version_flag("--version", PVSCHED_VERSION_STRING);
  app.add_option("--state-dir", options.state_dir,
                 "Where the sockets and the threads' own parameters are kept")
      ->capture_default_str();
  app.add_option("--device-socket", options.device_socket,
                 "Where pvsched-device connects  [STATE_DIR/device.sock]");
  app.add_option("--device-socket-mode", options.device_socket_mode,
                 "Its permissions, octal: who can connect can ask for boosts, within the caps")
      ->capture_default_str()
      ->check(CLI::Validator(
          [](std::string& text) {
            return text.find_first_not_of("01234567") == std::string::npos && !text.empty() &&
                           text.size() <= 4
                       ? std::string()
                       : absl::StrCat("'", text, "' is no octal mode such as 0660");
          },
          "MODE"));
  app.add_option("--admin-socket", options.admin_socket,
                 "Where pvschedctl connects  [STATE_DIR/admin.sock]");
  app.add_option("--actuator", options.actuators,
                 "How decisions are applied: scx, by a scheduler for the whole host (sched_ext);\n"
                 "kfunc, inside of the event, needs the module pvsched_host; agent, by a thread;\n"
                 "several, with commas: the first that the host has; auto: of all, in this order")
      ->capture_default_str()
      ->take_last()
      ->transform(CLI::Validator(
          [](std::string& names) {
            if (names == "auto") names = kAllActuators;
            return std::string(CheckActuators(names).message());
          },
          "NAME[,NAME]"));
  app.add_option("--config", options.config,
                 "TOML file of tunables, under [host] and [vm.NAME]; pvschedctl tunable list\n"
                 "shows which there are  [/etc/pvsched/pvsched.toml, if it is there]");
  app.add_option("--policy", options.policy,
                 "BPF object with a policy of your own, in place of the default one")
      ->check(CLI::ExistingFile);
  app.add_option("--agent-priority", options.agent_priority,
                 "SCHED_FIFO priority of the agent's thread: above every boost")
      ->capture_default_str()
      ->check(CLI::Range(1, 99));
  app.add_flag("--restore", options.restore_only,
               "Give back what a killed pvschedd left applied, and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.device_socket.empty()) options.device_socket = options.state_dir + "/device.sock";
  if (options.admin_socket.empty()) options.admin_socket = options.state_dir + "/admin.sock";

  constexpr char kDefaultConfig[] = "/etc/pvsched/pvsched.toml";
  if (options.config.empty() && access(kDefaultConfig, F_OK) == 0) options.config = kDefaultConfig;

  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfo);
  absl::InitializeLog();
  absl::Status status = Run(options);
  if (absl::IsUnavailable(status)) {
    // Anew, as after a crash: devices connect again, and no state of a scheduler
    // that failed is left.
    std::vector<char*> arguments(argv, argv + argc);
    std::string option = "--actuator", value = "kfunc,agent";
    arguments.insert(arguments.end(), {option.data(), value.data(), nullptr});
    execv("/proc/self/exe", arguments.data());
    status = absl::ErrnoToStatus(errno, "cannot start again without scx");
  }
  if (!status.ok()) {
    fprintf(stderr, "pvschedd: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
