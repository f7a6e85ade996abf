// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/control_server.h"

#include <poll.h>
#include <sys/socket.h>
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
#include "common/unix_socket.h"
#include "host-policy/daemon/vm_name.h"
#include "host-policy/daemon/vmm_identity.h"

namespace pvsched {
namespace {

// A connection for each VM, and a few more, so that a refusal can be sent.
constexpr size_t kMaxConnections = PVS_MAX_VMS + 16;

// Receives one message with at most one file descriptor; nothing if none has
// arrived. An error ends the connection.
absl::StatusOr<std::optional<pvsched_control_msg>> Receive(int fd, UniqueFd& passed) {
  pvsched_control_msg message;
  ASSIGN_OR_RETURN(std::optional<FdMessage> received,
                   ReceiveWithFds(fd, &message, sizeof(message), /*max_fds=*/1));
  if (!received) return std::nullopt;
  if (received->size != sizeof(message) || received->is_truncated) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message has ", received->is_truncated ? "more than " : "", received->size,
                     " bytes, not ", sizeof(message)));
  }
  if (!received->fds.empty()) passed = std::move(received->fds.front());
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

}  // namespace

ControlServer::~ControlServer() {
  while (!connections_.empty()) Close(connections_.begin()->first);
  if (listener_) {
    loop_.Remove(listener_.get());
    unlink(path_.c_str());
  }
}

absl::Status ControlServer::Listen(const std::string& path, mode_t mode) {
  ASSIGN_OR_RETURN(UniqueFd listener, ListenUnix(path, SOCK_SEQPACKET, mode));
  listener_ = std::move(listener);
  path_ = path;
  return loop_.Add(listener_.get(), [this] { Accept(); });
}

void ControlServer::Accept() {
  UniqueFd fd = acceptor_.Accept(listener_.get(), SOCK_NONBLOCK);
  if (!fd) return;
  ucred peer = {};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  if (connections_.size() >= kMaxConnections) {
    ++refusals_.connections;
    LOG_EVERY_N_SEC(WARNING, 10)
        << "too many devices are connected: closed a new connection of user " << peer.uid;
    return;
  }
  const int key = fd.get();
  if (!loop_.Add(key, [this, key] { OnReadable(key); }).ok()) return;
  connections_[key] = {.fd = std::move(fd), .peer = peer.uid};
}

void ControlServer::OnReadable(int fd) {
  Connection& connection = connections_.at(fd);
  UniqueFd passed;
  const absl::StatusOr<std::optional<pvsched_control_msg>> received = Receive(fd, passed);
  if (!received.ok()) {
    if (!absl::IsOutOfRange(received.status())) {
      ++refusals_.malformed;
      LOG_EVERY_N_SEC(WARNING, 1) << "closed the connection of a device of user " << connection.peer
                                  << ": " << received.status().message();
    }
    return Close(fd);
  }
  if (!received->has_value()) return;
  const pvsched_control_msg& request = **received;
  const absl::Status status = Handle(connection, request, std::move(passed));
  if (!status.ok()) {
    ++refusals_.CounterOf(request.type);
    LOG_EVERY_N_SEC(WARNING, 1) << "VM " << (connection.vm ? connection.vm->name : "?")
                                << ": refused a request: " << status.message();
  }
  pvsched_control_msg reply = {};
  reply.magic = PVSCHED_CONTROL_MAGIC;
  reply.version = std::min<uint16_t>(request.version, PVSCHED_CONTROL_VERSION);
  reply.type = request.type | PVSCHED_CONTROL_REPLY;
  reply.seq = request.seq;
  reply.error = StatusToErrno(status);
  reply.vcpu_id = request.vcpu_id;
  status.message().copy(reply.text, sizeof(reply.text) - 1);
  // A device that does not read its replies is disconnected: the send must not
  // block the event loop.
  if (send(fd, &reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(reply)) Close(fd);
}

absl::Status ControlServer::Handle(Connection& connection, const pvsched_control_msg& request,
                                   UniqueFd passed) {
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
    return absl::OkStatus();
  }
  if (connection.vm == nullptr) return absl::InvalidArgumentError("HELLO must come first");
  Vm& vm = *connection.vm;
  switch (request.type) {
    case PVSCHED_CONTROL_REGISTER:
      if (!passed) return absl::InvalidArgumentError("REGISTER carries no memory");
      return registry_.Register(vm, request.vcpu_id, std::move(passed), request.offset,
                                request.features);
    case PVSCHED_CONTROL_PREEMPT_COUNT:
      if (!passed) return absl::InvalidArgumentError("PREEMPT_COUNT carries no memory");
      return registry_.SetPreemptCount(vm, request.vcpu_id, std::move(passed), request.offset,
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
  connections_.erase(it);
}

}  // namespace pvsched
