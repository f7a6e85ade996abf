// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/supervisor/held_session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/log/log.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/fd_passing.h"
#include "common/pidfd.h"
#include "vmm-device/durable/hand_over.h"
#include "vmm-device/durable/handed_over_fds.h"
#include "vmm-device/durable/state_image.h"

namespace pvsched {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// QEMU waits 5 s for a reply. A device that cannot continue for longer, in so
// many attempts, never will.
constexpr int kMaxFailedStarts = 8;
constexpr seconds kMaxTimeToContinue{10};
// A device that ran for this long was not in a crash loop.
constexpr seconds kStableRun{5};
// Devices that end soon start again at once, and after some times with a pause.
constexpr int kQuickEndsWithoutPause = 4;
constexpr milliseconds kMaxPause{250};
// A device that sends without end must not keep the loop.
constexpr int kMaxMessagesAtOnce = 256;
// A supervisor that is stopped blocks its devices for no longer.
constexpr timeval kHandOverTimeout{.tv_sec = 2, .tv_usec = 0};

// A process that is killed ends as soon as it runs.
constexpr milliseconds kTimeToDie{200};

bool EndsWithin(int pidfd, milliseconds time) {
  pollfd ended{.fd = pidfd, .events = POLLIN, .revents = 0};
  return poll(&ended, 1, static_cast<int>(std::max<int64_t>(time.count(), 0))) == 1;
}

milliseconds PauseAfter(int quick_ends) {
  if (quick_ends <= kQuickEndsWithoutPause) return milliseconds(1);
  const int doublings = std::min(quick_ends - kQuickEndsWithoutPause, 8);
  return std::min(milliseconds(5) * (1 << doublings), kMaxPause);
}

}  // namespace

HeldSession::HeldSession(EventLoop* loop, KeptDescriptors fds, Options options,
                         std::function<void()> on_end)
    : loop_(loop),
      options_(std::move(options)),
      on_end_(std::move(on_end)),
      fds_(std::move(fds)),
      last_ready_(Clock::now()) {}

absl::StatusOr<std::unique_ptr<HeldSession>> HeldSession::Start(EventLoop* loop,
                                                                KeptDescriptors fds,
                                                                Options options,
                                                                std::function<void()> on_end) {
  auto session = absl::WrapUnique(
      new HeldSession(loop, std::move(fds), std::move(options), std::move(on_end)));
  RETURN_IF_ERROR(session->WatchTimer());
  if (!session->fds_.is_complete()) RETURN_IF_ERROR(session->MakeDescriptors());
  absl::Status started = session->StartDevice();
  if (started.ok()) return session;
  session->Forget();
  return started;
}

HeldSession::~HeldSession() {
  CloseDevice();
  if (timer_) loop_->Remove(timer_.get());
}

absl::Status HeldSession::WatchTimer() {
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return ErrnoStatus(errno, "timerfd_create");
  return loop_->Add(timer_.get(), [this] { OnTimer(); });
}

absl::Status HeldSession::MakeDescriptors() {
  fds_.state.reset(memfd_create("pvsched-device-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fds_.state) return ErrnoStatus(errno, "memfd_create");
  // The devices map it: without a fixed size, one could end the next by SIGBUS.
  if (ftruncate(fds_.state.get(), sizeof(StateImage)) != 0 ||
      fcntl(fds_.state.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return ErrnoStatus(errno, "memfd for the device's state");
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoStatus(errno, "pipe2");
  fds_.pipe_out.reset(ends[0]);
  fds_.pipe_in.reset(ends[1]);
  for (const auto& [stored, fd] : fds_.Named(options_.id, name())) options_.store->Keep(stored, fd);
  return absl::OkStatus();
}

void HeldSession::Forget() {
  for (const auto& [stored, fd] : fds_.Named(options_.id, name())) options_.store->Forget(stored);
}

void HeldSession::AskDeviceToEnd() {
  if (device_.pid >= 0) kill(device_.pid, SIGTERM);
}

void HeldSession::AwaitDeviceEnd(Clock::time_point deadline) {
  if (device_.pid < 0) return;
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
  if (!EndsWithin(device_.pidfd.get(), left)) {
    kill(device_.pid, SIGKILL);
    // A device that still ran could send without end.
    if (!EndsWithin(device_.pidfd.get(), kTimeToDie)) return;
  }
  // What the device sent before it ended still counts.
  while (ReadMessage()) {
  }
}

std::vector<std::string> HeldSession::MakeCommand(int supervisor_end) const {
  HandedOverFds fds{.state = fds_.state.get(),
                    .supervisor = supervisor_end,
                    .pipe_out = fds_.pipe_out.get(),
                    .pipe_in = fds_.pipe_in.get(),
                    .files = {}};
  for (const auto& [file, fd] : fds_.files) fds.files[file] = fd.get();
  std::vector<std::string> command = options_.command;
  command.push_back(absl::StrCat("--fd=", fds_.socket.get()));
  command.push_back(absl::StrCat("--handed-over=", fds.Format()));
  command.push_back(absl::StrCat("--name=", options_.name));
  return command;
}

absl::Status HeldSession::StartDevice() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  messages_.reset(ends[0]);
  const UniqueFd device_end(ends[1]);
  setsockopt(device_end.get(), SOL_SOCKET, SO_SNDTIMEO, &kHandOverTimeout,
             sizeof(kHandOverTimeout));
  std::vector<int> inherited = {fds_.socket.get(), fds_.state.get(), fds_.pipe_out.get(),
                                fds_.pipe_in.get(), device_end.get()};
  for (const auto& [file, fd] : fds_.files) inherited.push_back(fd.get());
  absl::StatusOr<DeviceProcess> device =
      StartDeviceProcess(MakeCommand(device_end.get()), inherited);
  if (!device.ok()) {
    messages_.reset();
    return device.status();
  }
  device_ = *std::move(device);
  is_ready_ = false;
  started_ = Clock::now();
  RETURN_IF_ERROR(loop_->Add(messages_.get(), [this] { ReadMessages(); }));
  return loop_->Add(device_.pidfd.get(), [this] { OnDeviceEnd(); });
}

void HeldSession::ReadMessages() {
  for (int i = 0; i < kMaxMessagesAtOnce; ++i) {
    if (!ReadMessage()) return;
  }
}

// False: no more messages for now.
bool HeldSession::ReadMessage() {
  HandOver message;
  absl::StatusOr<std::optional<FdMessage>> received =
      ReceiveWithFds(messages_.get(), &message, sizeof(message), /*max_fds=*/1);
  if (received.ok() && !received->has_value()) return false;
  const bool is_valid = received.ok() && (*received)->size == sizeof(message) &&
                        !(*received)->is_truncated && message.file < kMaxHeldFiles;
  if (!is_valid) {
    // Its end, or nonsense, after which it cannot be trusted to continue.
    loop_->Remove(messages_.get());
    if (!absl::IsOutOfRange(received.status())) {
      LOG(ERROR) << "VM " << name() << ": its device sent a malformed message";
      kill(device_.pid, SIGKILL);
    }
    return false;
  }
  std::vector<UniqueFd>& fds = (*received)->fds;
  if (message.type == HandOverType::kHold && fds.size() == 1) {
    Hold(message.file, std::move(fds[0]));
  } else if (message.type == HandOverType::kDrop) {
    Drop(message.file);
  } else if (message.type == HandOverType::kReady) {
    is_ready_ = true;
    failed_starts_ = 0;
    last_ready_ = Clock::now();
  }
  return true;
}

// systemd does not hold the descriptor of a request in progress: it refuses a second
// copy of one that it has, and most requests bring such a copy.
void HeldSession::Hold(uint32_t file, UniqueFd fd) {
  if (file != kRequestFile) options_.store->Keep(KeptFileName(options_.id, file), fd.get());
  fds_.files[file] = std::move(fd);
}

void HeldSession::Drop(uint32_t file) {
  if (file != kRequestFile) options_.store->Forget(KeptFileName(options_.id, file));
  fds_.files.erase(file);
}

void HeldSession::CloseDevice() {
  if (device_.pid < 0) return;
  loop_->Remove(messages_.get());
  loop_->Remove(device_.pidfd.get());
  if (!HasEnded(device_.pidfd.get())) kill(device_.pid, SIGKILL);
  (void)ReapDeviceProcess(device_);
  device_ = {};
  messages_.reset();
}

void HeldSession::OnDeviceEnd() {
  // What the device sent before it ended still counts.
  while (ReadMessage()) {
  }
  loop_->Remove(messages_.get());
  loop_->Remove(device_.pidfd.get());
  const int status = ReapDeviceProcess(device_);
  const pid_t pid = std::exchange(device_, {}).pid;
  messages_.reset();
  if (status == kExitSessionOver) {
    End();
    return;
  }
  quick_ends_ = Clock::now() - started_ > kStableRun ? 0 : quick_ends_ + 1;
  if (!is_ready_) ++failed_starts_;
  LOG_EVERY_N_SEC(WARNING, 1) << "VM " << name() << ": its device, process " << pid
                              << ", ended with status " << status << ": it starts again";
  if (failed_starts_ >= kMaxFailedStarts && Clock::now() - last_ready_ > kMaxTimeToContinue) {
    GiveUp(absl::AbortedError(
        absl::StrCat("its device ended ", failed_starts_, " times before it could continue")));
    return;
  }
  StartAgainLater();
}

void HeldSession::StartAgainLater() {
  const auto pause =
      std::chrono::duration_cast<std::chrono::nanoseconds>(PauseAfter(quick_ends_)).count();
  const itimerspec once{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = pause}};
  timerfd_settime(timer_.get(), 0, &once, nullptr);
}

void HeldSession::OnTimer() {
  uint64_t expirations;
  if (read(timer_.get(), &expirations, sizeof(expirations)) < 0 || device_.pid >= 0) return;
  if (absl::Status status = StartDevice(); !status.ok()) GiveUp(std::move(status));
}

void HeldSession::GiveUp(absl::Status reason) {
  LOG(ERROR) << "VM " << name() << ": pvsched serves it no longer: " << reason.message()
             << ". Its connection is closed. QEMU runs on, and aborts at the guest's next reboot "
                "unless the device is unplugged before (docs/how-to/replace-a-device.md)";
  End();
}

void HeldSession::End() {
  Forget();
  // A copy: the callback may destroy this object.
  const std::function<void()> on_end = on_end_;
  on_end();
}

}  // namespace pvsched
