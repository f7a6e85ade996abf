// SPDX-License-Identifier: Apache-2.0
// pvsched-device: the pvsched PCI device of one VM, for VMMs with vfio-user.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "absl/log/log.h"
#include "absl/status/status.h"
#include "common/unique_fd.h"
#include "vmm-device/daemon/control_client.h"
#include "vmm-device/daemon/listener.h"
#include "vmm-device/daemon/seccomp_filter.h"
#include "vmm-device/device.h"
#include "vmm-device/memory_map.h"
#include "vmm-device/pci_config.h"
#include "vmm-device/vfio_user/server.h"

namespace pvsched {
namespace {

struct Config {
  std::string socket;
  std::string control = PVSCHED_CONTROL_DEFAULT_PATH;
  std::string name;
  uint32_t max_vcpus = Device::Options{}.max_vcpus;
  bool no_control = false;
  bool persist = false;
  bool seccomp = true;
  std::string log_level = "info";
};

// For --no-control: the handshake works, nobody reads the records.
class NobodyElse : public RecordSink {
 public:
  absl::Status Register(uint32_t, int, uint64_t, const Extras&) override {
    return absl::OkStatus();
  }
  absl::Status Withdraw(uint32_t) override { return absl::OkStatus(); }
  absl::Status WithdrawAll() override { return absl::OkStatus(); }
};

class Daemon {
 public:
  explicit Daemon(const Config& config) : config_(config) {}

  // Returns when it is told to stop, or when its client has left.
  absl::Status Run();

 private:
  absl::Status Start();
  absl::Status Watch(int fd);
  absl::Status HandleEvent(int fd);
  absl::Status Accept();
  void Welcome(int socket);
  absl::Status HandleClient();

  const Config& config_;
  bool stopping_ = false;
  UniqueFd epoll_;
  UniqueFd signals_;
  std::unique_ptr<VfioUserListener> listener_;
  NobodyElse nobody_;
  std::unique_ptr<ControlClient> control_;  // none with --no-control
  MemoryMap memory_;
  PciConfig pci_config_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<VfioUserServer> client_;  // none between VMs
};

absl::Status Daemon::Watch(int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return absl::ErrnoToStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

absl::Status Daemon::Start() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return absl::ErrnoToStatus(errno, "epoll_create1");

  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  signals_.reset(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return absl::ErrnoToStatus(errno, "signalfd");
  if (absl::Status status = Watch(signals_.get()); !status.ok()) return status;

  RecordSink* sink = &nobody_;
  if (!config_.no_control) {
    auto control = ControlClient::Create({.path = config_.control, .name = config_.name});
    if (!control.ok()) return control.status();
    control_ = *std::move(control);
    sink = control_.get();
    if (absl::Status status = Watch(control_->fd()); !status.ok()) return status;
  }
  device_ =
      std::make_unique<Device>(Device::Options{.max_vcpus = config_.max_vcpus}, &memory_, sink);

  auto listener = VfioUserListener::Create(config_.socket);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  return Watch(listener_->fd());
}

absl::Status Daemon::Run() {
  if (absl::Status status = Start(); !status.ok()) return status;
  if (config_.seccomp) {
    if (absl::Status status = ApplySeccompFilter(); !status.ok()) return status;
  }
  LOG(INFO) << "waiting for a VM on " << config_.socket;
  sd_notify(/*unset_environment=*/0, "READY=1");
  while (!stopping_) {
    epoll_event event;
    const int n = epoll_wait(epoll_.get(), &event, 1, -1);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, "epoll_wait");
    if (absl::Status status = HandleEvent(event.data.fd); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Daemon::HandleEvent(int fd) {
  if (fd == signals_.get()) {
    LOG(INFO) << "told to stop";
    // QEMU 11.1 aborts if the connection ends while it waits for an answer.
    if (client_) (void)client_->HandleInput();
    stopping_ = true;
    return absl::OkStatus();
  }
  if (control_ && fd == control_->fd()) {
    control_->HandleEvents();
    return absl::OkStatus();
  }
  if (fd == listener_->fd()) return Accept();
  return HandleClient();
}

absl::Status Daemon::Accept() {
  absl::StatusOr<UniqueFd> socket = listener_->Accept();
  if (!socket.ok()) return absl::OkStatus();
  // The one before may have left already, and its end not been looked at yet.
  if (client_) {
    if (absl::Status status = HandleClient(); !status.ok() || stopping_) return status;
  }
  if (client_) {
    LOG_EVERY_N_SEC(WARNING, 1) << "a second client is turned away: each VM needs its own device";
    return absl::OkStatus();
  }
  if (absl::Status status = Watch(socket->get()); !status.ok()) return status;
  const int fd = socket->get();
  client_ = std::make_unique<VfioUserServer>(*std::move(socket), device_.get(), &pci_config_,
                                             &memory_, [this, fd] { Welcome(fd); });
  return absl::OkStatus();
}

// Who only looks whether somebody is here is no VM, and nobody's business.
void Daemon::Welcome(int socket) {
  LOG(INFO) << "a VM has connected";
  if (!control_) return;
  absl::StatusOr<UniqueFd> vmm = PeerPidfd(socket);
  if (vmm.ok()) {
    control_->StartSession(*std::move(vmm));
  } else {
    LOG(ERROR) << "the VMM's process is not known, so pvschedd won't be told: " << vmm.status();
  }
}

absl::Status Daemon::HandleClient() {
  absl::Status status = client_->HandleInput();
  if (status.ok()) return status;
  const bool left = absl::IsOutOfRange(status);
  const bool was_vm = client_->negotiated();
  if (!left) {
    LOG_EVERY_N_SEC(ERROR, 1) << "the connection to the VM is given up: " << status.message();
  }
  client_.reset();
  if (control_) control_->EndSession();
  if (left && was_vm) {
    const Device::Counters& counters = device_->counters();
    LOG(INFO) << "the VM has left; of its requests "
              << std::accumulate(counters.results.begin(), counters.results.end(),
                                 counters.bad_accesses)
              << " came to nothing";
  }
  if (config_.persist || !was_vm) return absl::OkStatus();
  stopping_ = true;
  return left ? absl::OkStatus() : status;
}

int Main(int argc, char** argv) {
  Config config;
  CLI::App app(
      "The pvsched device of one VM.\n\n"
      "Serves a PCI device over vfio-user to one VMM and hands what the guest's driver\n"
      "registers to pvschedd. Start it before the VM; it ends with the VM.\n\n"
      "  pvsched-device --socket /run/vm1-pvsched.sock --name vm1 &\n"
      "  qemu-system-x86_64 -object memory-backend-memfd,id=m0,size=1G,share=on \\\n"
      "    -machine q35,accel=kvm,memory-backend=m0 \\\n"
      "    -device '{\"driver\":\"vfio-user-pci\",\"socket\":"
      "{\"type\":\"unix\",\"path\":\"/run/vm1-pvsched.sock\"}}' ...\n");
  app.add_option("-s,--socket", config.socket, "UNIX socket to serve the VMM on")
      ->required()
      ->type_name("PATH");
  CLI::Option* control =
      app.add_option("-c,--control", config.control, "pvschedd's socket; pvschedd may come later")
          ->type_name("PATH")
          ->capture_default_str();
  app.add_flag("--no-control", config.no_control, "Serve the VM without pvschedd, to try a guest")
      ->excludes(control);
  app.add_option("-n,--name", config.name, "The VM's name, as pvschedctl shows it")
      ->type_name("NAME")
      ->check(CLI::Validator(
          [](const std::string& name) {
            return name.size() < sizeof(pvsched_control_msg::text)
                       ? std::string()
                       : "a name has at most " +
                             std::to_string(sizeof(pvsched_control_msg::text) - 1) + " bytes";
          },
          ""));
  app.add_option("--max-vcpus", config.max_vcpus, "APIC ids of vCPUs are below this")
      ->type_name("N")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_flag("--persist", config.persist, "Wait for the next VM when one has left");
  app.add_flag("--seccomp,!--no-seccomp", config.seccomp,
               "Allow only the system calls needed (default: on)");
  app.add_option("--log-level", config.log_level, "error, warning, info or debug")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"error", "warning", "info", "debug"}))
      ->capture_default_str();
  app.set_version_flag("--version", "pvsched-device " PVSCHED_BUILD_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  static const std::map<std::string, absl::LogSeverityAtLeast> kLevels = {
      {"error", absl::LogSeverityAtLeast::kError},
      {"warning", absl::LogSeverityAtLeast::kWarning},
      {"info", absl::LogSeverityAtLeast::kInfo},
      {"debug", absl::LogSeverityAtLeast::kInfo}};
  absl::SetStderrThreshold(kLevels.at(config.log_level));
  absl::SetMinLogLevel(kLevels.at(config.log_level));
  if (config.log_level == "debug") absl::SetGlobalVLogLevel(1);
  absl::InitializeLog();

  Daemon daemon(config);
  if (absl::Status status = daemon.Run(); !status.ok()) {
    fprintf(stderr, "pvsched-device: %s\n", std::string(status.message()).c_str());
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
    // We throw nothing ourselves: the C++ library is out of memory, or the like.
    fprintf(stderr, "pvsched-device: %s\n", error.what());
    return 1;
  }
}
