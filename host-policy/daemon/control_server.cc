// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/control_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/log/log.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/fd_passing.h"
#include "common/journal_log.h"
#include "common/peer.h"
#include "common/unix_socket.h"
#include "host-policy/daemon/memory_check.h"
#include "host-policy/daemon/vm_name.h"

namespace pvsched {
namespace {

// Receives one message with at most one file descriptor; nothing if none has
// arrived. An error ends the connection.
absl::StatusOr<std::optional<pvsched_control_msg>> Receive(int fd, PassedFd& passed) {
  struct {
    PassedNote note;
    pvsched_control_msg message = {};
  } packet;
  const pvsched_control_msg& message = packet.message;
  ASSIGN_OR_RETURN(std::optional<FdMessage> received,
                   ReceiveWithFds(fd, &packet, sizeof(packet), /*max_fds=*/1));
  if (!received) return std::nullopt;
  if (packet.note.kind == PassedKind::kTooMany) {
    return absl::InvalidArgumentError("a message carries more than one descriptor");
  }
  if (packet.note.kind == PassedKind::kTooManyHeld) {
    return absl::ResourceExhaustedError(
        "descriptors that the user has passed before block the processes that close them");
  }
  if (received->size != sizeof(packet) || received->is_truncated) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message has ", received->is_truncated ? "more than " : "",
                     received->size - sizeof(packet.note), " bytes, not ", sizeof(message)));
  }
  passed.note = packet.note;
  if (!received->fds.empty()) passed.fd = std::move(received->fds.front());
  if (message.magic != PVSCHED_CONTROL_MAGIC) {
    return absl::InvalidArgumentError("a message does not have pvsched's magic");
  }
  return message;
}

// Versions that differ by one understand each other. The older one counts.
absl::Status CheckVersion(uint16_t version) {
  if (version + 1 >= PVSCHED_CONTROL_VERSION && version <= PVSCHED_CONTROL_VERSION + 1) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(absl::StrCat("the device has protocol version ", version,
                                               ", pvschedd has version ", PVSCHED_CONTROL_VERSION,
                                               ": install both from one release"));
}

// The vCPU that a request is about, if it is about one.
std::optional<uint32_t> VcpuOf(const pvsched_control_msg& request) {
  switch (request.type) {
    case PVSCHED_CONTROL_REGISTER:
    case PVSCHED_CONTROL_WITHDRAW:
    case PVSCHED_CONTROL_THREAD:
    case PVSCHED_CONTROL_PREEMPT_COUNT:
      return request.vcpu_id;
    default:
      return std::nullopt;
  }
}

// A device may ask again after EAGAIN: room comes when another VM ends.
int ErrorOf(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? EAGAIN : StatusToErrno(status);
}

pvsched_control_msg MakeReply(uint16_t type, const absl::Status& status) {
  pvsched_control_msg reply = {};
  reply.magic = PVSCHED_CONTROL_MAGIC;
  reply.version = PVSCHED_CONTROL_VERSION;
  reply.type = type | PVSCHED_CONTROL_REPLY;
  reply.error = ErrorOf(status);
  status.message().copy(reply.text, sizeof(reply.text) - 1);
  return reply;
}

absl::Status CheckKind(const PassedFd& passed, absl::string_view request) {
  if (passed.note.kind == PassedKind::kNone) {
    return absl::InvalidArgumentError(absl::StrCat(request, " carries no memory"));
  }
  return passed.fd ? absl::OkStatus() : NotMemory();
}

// False: the device does not read its replies. The send must not block the event loop.
bool Send(int fd, const pvsched_control_msg& message) {
  return send(fd, &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(message);
}

}  // namespace

ControlServer::~ControlServer() {
  while (!connections_.empty()) Close(connections_.begin()->first);
  if (timer_) loop_.Remove(timer_.get());
  if (listener_) {
    loop_.Remove(listener_.get());
    unlink(path_.c_str());
    front_.CloseListener(std::move(listener_));
  }
}

absl::Status ControlServer::Listen(const std::string& path, mode_t mode) {
  ASSIGN_OR_RETURN(UniqueFd listener, ListenUnix(path, SOCK_SEQPACKET, mode));
  listener_ = std::move(listener);
  path_ = path;
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer_) return ErrnoStatus(errno, "timerfd_create");
  RETURN_IF_ERROR(loop_.Add(timer_.get(), [this] { OnTimer(); }));
  return loop_.Add(listener_.get(), [this] { Accept(); });
}

void ControlServer::Accept() {
  if (!front_.HasRoom(listener_.get())) return;
  UniqueFd accepted = acceptor_.Accept(listener_.get(), SOCK_NONBLOCK);
  if (!accepted) return;
  const uid_t peer = PeerUid(accepted.get());
  UniqueFd fd = front_.Guard(std::move(accepted), SOCK_SEQPACKET, peer);
  if (!fd) return;
  MakeRoom(peer);
  const int key = fd.get();
  if (!loop_.Add(key, [this, key] { OnReadable(key); }).ok()) return;
  connections_[key] = {.fd = std::move(fd),
                       .peer = peer,
                       .number = ++accepted_,
                       .deadline = Clock::now() + limits_.hello_timeout};
  without_vm_[accepted_] = key;
  if (without_vm_.size() == 1) ArmTimer();
}

// Connections with a VM need no limit of their own: each has one of the host's VMs.
void ControlServer::MakeRoom(uid_t peer) {
  const auto is_of_peer = [&](const auto& entry) {
    return connections_.at(entry.second).peer == peer;
  };
  const auto of_peer = std::ranges::count_if(without_vm_, is_of_peer);
  if (static_cast<size_t>(of_peer) >= limits_.max_user_connections) {
    CloseWithoutVm(std::ranges::find_if(without_vm_, is_of_peer)->second,
                   "the user's devices have too many connections without a VM");
  } else if (without_vm_.size() >= ControlLimits::kMaxConnectionsWithoutVm) {
    CloseWithoutVm(without_vm_.begin()->second, "too many connections have no VM");
  }
}

void ControlServer::CloseWithoutVm(int fd, absl::string_view why) {
  OnReadable(fd);
  const auto it = connections_.find(fd);
  if (it == connections_.end() || it->second.vm != nullptr) return;
  ++refusals_.connections;
  LOG_IF(WARNING, log_quota_.Consume(it->second.peer))
      << "closed the connection of a device of user " << it->second.peer << ": " << why;
  (void)Send(fd, MakeReply(PVSCHED_CONTROL_HELLO, absl::ResourceExhaustedError(why)));
  Close(fd);
}

void ControlServer::OnTimer() {
  uint64_t expirations = 0;
  if (read(timer_.get(), &expirations, sizeof(expirations)) < 0) return;
  const Clock::time_point now = Clock::now();
  while (!without_vm_.empty()) {
    const auto [number, fd] = *without_vm_.begin();
    if (connections_.at(fd).deadline > now) break;
    CloseWithoutVm(fd, "no VM was registered within hello-timeout");
  }
  ArmTimer();
}

void ControlServer::ArmTimer() {
  itimerspec next = {};  // none
  if (!without_vm_.empty()) {
    const auto at = connections_.at(without_vm_.begin()->second).deadline.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
    next.it_value = {.tv_sec = seconds.count(),
                     .tv_nsec = std::chrono::nanoseconds(at - seconds).count()};
  }
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &next, nullptr);
}

void ControlServer::OnReadable(int fd) {
  Connection& connection = connections_.at(fd);
  PassedFd passed;
  const absl::StatusOr<std::optional<pvsched_control_msg>> received = Receive(fd, passed);
  if (!received.ok()) {
    if (!absl::IsOutOfRange(received.status())) {
      ++refusals_.malformed;
      LOG_IF(WARNING, log_quota_.Consume(connection.peer))
          << "closed the connection of a device of user " << connection.peer << ": "
          << received.status().message();
    }
    return Close(fd);
  }
  if (!received->has_value()) return;
  const pvsched_control_msg& request = **received;
  const absl::Status status = Handle(connection, request, std::move(passed));
  if (!status.ok()) {
    ++refusals_.CounterOf(request.type);
    // Before HELLO is accepted, the VM's name is only what the device says.
    std::optional<LogSubject> subject;
    if (connection.vm != nullptr) subject.emplace(connection.vm->name, VcpuOf(request));
    LOG_IF(WARNING, log_quota_.Consume(connection.vm ? connection.vm->uid : connection.peer))
        << "VM " << (connection.vm ? connection.vm->name : "?")
        << ": refused a request: " << status.message();
  }
  pvsched_control_msg reply = MakeReply(request.type, status);
  reply.version = std::min<uint16_t>(request.version, PVSCHED_CONTROL_VERSION);
  reply.seq = request.seq;
  reply.vcpu_id = request.vcpu_id;
  if (!Send(fd, reply)) Close(fd);
}

absl::Status ControlServer::Handle(Connection& connection, const pvsched_control_msg& request,
                                   PassedFd passed) {
  RETURN_IF_ERROR(CheckVersion(request.version));
  if (request.type == PVSCHED_CONTROL_HELLO) {
    if (connection.vm != nullptr)
      return absl::AlreadyExistsError("the connection has already sent HELLO");
    ASSIGN_OR_RETURN(VmmIdentity vmm, IdentifyVmm(std::move(passed)));
    CloseEnded();
    ASSIGN_OR_RETURN(
        connection.vm,
        registry_.AddVm(std::move(vmm), connection.peer,
                        CleanVmName({request.text, strnlen(request.text, sizeof(request.text))})));
    without_vm_.erase(connection.number);
    ArmTimer();
    return absl::OkStatus();
  }
  if (connection.vm == nullptr) return absl::InvalidArgumentError("HELLO must come first");
  Vm& vm = *connection.vm;
  switch (request.type) {
    case PVSCHED_CONTROL_REGISTER:
      RETURN_IF_ERROR(CheckKind(passed, "REGISTER"));
      return registry_.Register(vm, request.vcpu_id, std::move(passed.fd), request.offset,
                                request.features);
    case PVSCHED_CONTROL_PREEMPT_COUNT:
      RETURN_IF_ERROR(CheckKind(passed, "PREEMPT_COUNT"));
      return registry_.SetPreemptCount(vm, request.vcpu_id, std::move(passed.fd), request.offset,
                                       request.mask);
    case PVSCHED_CONTROL_WITHDRAW:
      registry_.Withdraw(vm, request.vcpu_id);
      return absl::OkStatus();
    case PVSCHED_CONTROL_WITHDRAW_ALL:
      registry_.WithdrawAll(vm);
      return absl::OkStatus();
    case PVSCHED_CONTROL_THREAD:
      return registry_.SetThread(vm, request.vcpu_id, request.tid);
    default:
      return absl::InvalidArgumentError(absl::StrCat("unknown request type ", request.type));
  }
}

// A device that was started again connects before the loop sees the end of the
// last one. Both serve the same VMM, which may have one device.
void ControlServer::CloseEnded() {
  std::vector<pollfd> fds;
  for (const auto& [fd, connection] : connections_) {
    if (connection.vm != nullptr) fds.push_back({.fd = fd, .events = POLLRDHUP, .revents = 0});
  }
  if (poll(fds.data(), fds.size(), 0) <= 0) return;
  for (const pollfd& fd : fds) {
    if (fd.revents != 0) Close(fd.fd);
  }
}

void ControlServer::Close(int fd) {
  auto it = connections_.find(fd);
  if (it == connections_.end()) return;
  loop_.Remove(fd);
  if (it->second.vm != nullptr) registry_.RemoveVm(it->second.vm);
  without_vm_.erase(it->second.number);
  connections_.erase(it);
}

}  // namespace pvsched
