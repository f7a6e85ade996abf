// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// pvsched-device: the pvsched PCI device of one VM, for VMMs with vfio-user.
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "absl/log/log.h"
#include "absl/status/status.h"
#include "common/errno_status.h"
#include "common/event_loop.h"
#include "common/journal_log.h"
#include "common/peer.h"
#include "common/unique_fd.h"
#include "vmm-device/daemon/control_client.h"
#include "vmm-device/daemon/listener.h"
#include "vmm-device/daemon/options.h"
#include "vmm-device/daemon/seccomp_filter.h"
#include "vmm-device/device.h"
#include "vmm-device/durable/durable_channel.h"
#include "vmm-device/durable/hand_over.h"
#include "vmm-device/durable/handed_over_fds.h"
#include "vmm-device/durable/state_file.h"
#include "vmm-device/memory_map.h"
#include "vmm-device/pci_config.h"
#include "vmm-device/vfio_user/server.h"

namespace pvsched {
namespace {

// For --no-control: accepts records that no host reads.
class NullSink : public RecordSink {
 public:
  absl::Status Register(uint32_t, const Registration&) override { return absl::OkStatus(); }
  absl::Status Withdraw(uint32_t) override { return absl::OkStatus(); }
  absl::Status WithdrawAll() override { return absl::OkStatus(); }
};

class Daemon {
 public:
  explicit Daemon(const DeviceOptions& config) : config_(config) {}

  // Serves VMs until a signal arrives, or the VM leaves. An error if the
  // daemon cannot start, or if the VM's connection breaks.
  absl::Status Run();

  // Of a supervised device: nothing is left to continue.
  bool is_session_over() const { return is_session_over_; }

 private:
  absl::Status Start();
  absl::Status StartEndpoint();
  void OnSignal();
  void Accept();
  absl::Status Serve(UniqueFd socket);
  absl::Status RestoreSession(UniqueFd socket);
  absl::Status ContinueSession();
  // Gives a new client, or none, the time to negotiate.
  void ArmHelloTimer(uint32_t milliseconds);
  void OnHelloTimeout();
  void OnNegotiated(int socket);
  void HandleClient();
  void EndClient(absl::Status status);
  void Stop(absl::Status result);

  const DeviceOptions& config_;
  EventLoop loop_;
  bool is_stopping_ = false;
  bool is_session_over_ = false;
  absl::Status result_;
  UniqueFd signals_;
  UniqueFd hello_timer_;
  std::unique_ptr<VfioUserListener> listener_;  // none with a connected --fd
  NullSink null_sink_;
  std::unique_ptr<ControlClient> control_;  // none with --no-control
  MemoryMap memory_;
  PciConfig pci_config_;
  std::unique_ptr<Device> device_;
  HandedOverFds handed_over_;
  std::unique_ptr<StateFile> state_;        // of a supervised device
  DurableChannel* channel_ = nullptr;       // the client's, of a supervised device
  std::unique_ptr<VfioUserServer> client_;  // none between VMs
};

absl::Status Daemon::Start() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  signals_.reset(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return ErrnoStatus(errno, "signalfd");
  RETURN_IF_ERROR(loop_.Add(signals_.get(), [this] { OnSignal(); }));
  hello_timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!hello_timer_) return ErrnoStatus(errno, "timerfd_create");
  RETURN_IF_ERROR(loop_.Add(hello_timer_.get(), [this] { OnHelloTimeout(); }));

  RecordSink* sink = &null_sink_;
  if (!config_.no_control) {
    ASSIGN_OR_RETURN(control_,
                     ControlClient::Create({.path = config_.control, .name = config_.name}));
    sink = control_.get();
    RETURN_IF_ERROR(loop_.Add(control_->fd(), [this] { control_->HandleEvents(); }));
  }
  device_ =
      std::make_unique<Device>(Device::Options{.max_vcpus = config_.max_vcpus}, &memory_, sink);

  return StartEndpoint();
}

absl::Status Daemon::StartEndpoint() {
  if (config_.fd >= 0) {
    ASSIGN_OR_RETURN(const bool is_listening, IsListening(config_.fd));
    UniqueFd socket(config_.fd);
    if (!config_.handed_over.empty()) return RestoreSession(std::move(socket));
    if (!is_listening) return Serve(std::move(socket));
    listener_ = VfioUserListener::FromFd(std::move(socket));
  } else {
    ASSIGN_OR_RETURN(listener_, VfioUserListener::Create(config_.socket, config_.socket_access));
  }
  return loop_.Add(listener_->fd(), [this] { Accept(); });
}

absl::Status Daemon::Run() {
  RETURN_IF_ERROR(Start());
  // The filter allows no message to systemd.
  sd_notify(/*unset_environment=*/1, "READY=1");
  if (config_.seccomp) {
    RETURN_IF_ERROR(ApplySeccompFilter(
        {.has_socket_file = !config_.socket.empty(), .reply_pipe = handed_over_.pipe_in}));
  }
  if (state_) RETURN_IF_ERROR(ContinueSession());
  if (listener_) {
    LOG(INFO) << "waiting for a VM on "
              << (config_.socket.empty() ? "an inherited socket" : config_.socket);
  }
  if (!is_stopping_) loop_.Run();
  return result_;
}

void Daemon::Stop(absl::Status result) {
  result_ = std::move(result);
  is_stopping_ = true;
  loop_.Stop();
}

void Daemon::OnSignal() {
  LOG(INFO) << "stopping on a signal";
  // QEMU 11.1 aborts if the connection ends while QEMU waits for a reply.
  if (client_) (void)client_->HandleInput();
  Stop(absl::OkStatus());
}

void Daemon::Accept() {
  absl::StatusOr<UniqueFd> socket = listener_->Accept();
  if (!socket.ok()) return;
  // The present client may have closed its connection, with the event pending.
  if (client_) HandleClient();
  if (is_stopping_) return;
  if (client_) {
    LOG_EVERY_N_SEC(WARNING, 1) << "a second client was refused: each VM needs its own device";
    return;
  }
  if (absl::Status status = Serve(*std::move(socket)); !status.ok()) Stop(status);
}

absl::Status Daemon::Serve(UniqueFd socket) {
  const int fd = socket.get();
  client_ = std::make_unique<VfioUserServer>(std::move(socket), device_.get(), &pci_config_,
                                             &memory_, [this, fd] { OnNegotiated(fd); });
  ArmHelloTimer(config_.hello_timeout_ms);
  return loop_.Add(fd, [this] { HandleClient(); });
}

// Until the filter is applied, only what the last process left is read.
absl::Status Daemon::RestoreSession(UniqueFd socket) {
  ASSIGN_OR_RETURN(handed_over_, HandedOverFds::Parse(config_.handed_over));
  ASSIGN_OR_RETURN(state_, StateFile::Open(handed_over_.state, handed_over_.supervisor,
                                           device_.get(), &pci_config_, &memory_));
  StateFile::Files files;
  for (const auto& [file, fd] : handed_over_.files) files[file] = UniqueFd(fd);
  DurableChannel::Descriptors descriptors{.socket = std::move(socket),
                                          .pipe_out = UniqueFd(handed_over_.pipe_out),
                                          .pipe_in = UniqueFd(handed_over_.pipe_in),
                                          .request = std::move(files[kRequestFile])};
  files.erase(kRequestFile);
  absl::Status restored = state_->Restore(std::move(files));
  if (!restored.ok()) {
    is_session_over_ = true;
    return restored;
  }
  // Kept for pvschedd, to which no connection stands yet.
  device_->OnMemoryAdded();

  const int fd = descriptors.socket.get();
  auto channel = std::make_unique<DurableChannel>(std::move(descriptors), state_.get());
  channel_ = channel.get();
  client_ =
      std::make_unique<VfioUserServer>(std::move(channel), state_->is_negotiated(), device_.get(),
                                       &pci_config_, &memory_, [this, fd] { OnNegotiated(fd); });
  if (!client_->negotiated()) ArmHelloTimer(config_.hello_timeout_ms);
  RETURN_IF_ERROR(loop_.Add(fd, [this] { HandleClient(); }));
  // The supervisor sends nothing, so this is its end.
  return loop_.Add(handed_over_.supervisor,
                   [this] { Stop(absl::AbortedError("the supervisor has ended")); });
}

absl::Status Daemon::ContinueSession() {
  if (client_->negotiated()) OnNegotiated(client_->fd());
  absl::Status status = channel_->Resume();
  if (!status.ok()) {
    is_session_over_ = !absl::IsAborted(status);
    return status;
  }
  // A request that is complete makes the socket not readable.
  HandleClient();
  return is_stopping_ ? absl::OkStatus() : state_->SendReady();
}

void Daemon::ArmHelloTimer(uint32_t milliseconds) {
  const itimerspec once{.it_interval = {},
                        .it_value = {.tv_sec = milliseconds / 1000,
                                     .tv_nsec = long{milliseconds % 1000} * 1'000'000}};
  timerfd_settime(hello_timer_.get(), 0, &once, nullptr);
}

// A connection that says nothing would keep a place that a VM needs.
void Daemon::OnHelloTimeout() {
  uint64_t expirations = 0;
  if (read(hello_timer_.get(), &expirations, sizeof(expirations)) < 0) return;
  // The request may have just arrived.
  if (client_) HandleClient();
  if (!client_ || client_->negotiated()) return;
  EndClient(absl::DeadlineExceededError("it has negotiated no version within --hello-timeout"));
}

// pvschedd hears of a client only now: processes also connect just to probe the
// socket.
void Daemon::OnNegotiated(int socket) {
  ArmHelloTimer(0);
  LOG(INFO) << (state_ && state_->is_negotiated() ? "continuing to serve the VM"
                                                  : "a VM has connected");
  if (!control_) return;
  absl::StatusOr<Peer> vmm = GetPeer(socket);
  if (vmm.ok()) {
    control_->StartSession(std::move(vmm->pidfd), socket);
  } else {
    LOG(ERROR) << "cannot identify the VMM's process, so the VM runs without pvschedd: "
               << vmm.status();
  }
}

void Daemon::HandleClient() {
  absl::Status status = client_->HandleInput();
  if (!status.ok()) EndClient(std::move(status));
}

void Daemon::EndClient(absl::Status status) {
  ArmHelloTimer(0);
  const bool is_end = absl::IsOutOfRange(status);
  const bool was_vm = client_->negotiated();
  if (!is_end) {
    LOG_EVERY_N_SEC(ERROR, 1) << "connection to the VM closed: " << status.message();
  }
  loop_.Remove(client_->fd());
  client_.reset();
  if (control_) control_->EndSession();
  is_session_over_ = !absl::IsAborted(status);
  if (is_end && was_vm) {
    const Device::Counters& counters = device_->counters();
    LOG(INFO) << "the VM has disconnected; failed accesses to BAR0: "
              << std::accumulate(counters.results.begin(), counters.results.end(),
                                 counters.bad_accesses);
  }
  const bool can_serve_another = listener_ && (config_.persist || !was_vm);
  if (can_serve_another) return;
  Stop(is_end ? absl::OkStatus() : std::move(status));
}

int Main(int argc, char** argv) {
  DeviceOptions config;
  CLI::App app(
      "The pvsched device of one VM.\n\n"
      "Serves a PCI device over vfio-user to one VMM, and forwards the registrations of\n"
      "the guest's driver to pvschedd. Start it before the VM; it exits with the VM.\n\n"
      "  pvsched-device --socket /run/vm1-pvsched.sock --name vm1 &\n"
      "  qemu-system-x86_64 -object memory-backend-memfd,id=m0,size=1G,share=on \\\n"
      "    -machine q35,accel=kvm,memory-backend=m0 \\\n"
      "    -device '{\"driver\":\"vfio-user-pci\",\"socket\":"
      "{\"type\":\"unix\",\"path\":\"/run/vm1-pvsched.sock\"}}' ...\n");
  AddDeviceOptions(app, config);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  InitializeDeviceLog(config.log_level);

  Daemon daemon(config);
  const absl::Status status = daemon.Run();
  if (!status.ok()) {
    PrintError("pvsched-device", status.message());
  }
  if (!config.handed_over.empty() && daemon.is_session_over()) return kExitSessionOver;
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) {
  try {
    return pvsched::Main(argc, argv);
  } catch (const std::exception& error) {
    // From libraries, such as std::bad_alloc: pvsched throws no exceptions.
    pvsched::PrintError("pvsched-device", error.what());
    return 1;
  }
}
