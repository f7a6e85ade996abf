// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/control_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/log/log.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/unix_socket.h"

namespace pvsched {
namespace {

// Each connection is a VM; a few more let a refusal be answered.
constexpr size_t kMaxConnections = PVS_MAX_VMS + 16;

// One packet with at most one fd. An error ends the connection.
absl::StatusOr<pvsched_control_msg> Receive(int fd, UniqueFd& passed) {
  pvsched_control_msg message;
  iovec data = {.iov_base = &message, .iov_len = sizeof(message)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)];
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  const ssize_t size = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size < 0) return absl::ErrnoToStatus(errno, "recvmsg");

  bool too_many = (header.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int received;
      memcpy(&received, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      if (passed) too_many = true;
      passed.reset(received);
    }
  }
  if (size == 0) return absl::CancelledError("closed");
  if (too_many) return absl::InvalidArgumentError("more than one file descriptor in a message");
  if (size != sizeof(message) || (header.msg_flags & MSG_TRUNC) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message is ", sizeof(message), " bytes, not ", size));
  }
  if (message.magic != PVSCHED_CONTROL_MAGIC) {
    return absl::InvalidArgumentError("a message without pvsched's magic");
  }
  if (message.version != PVSCHED_CONTROL_VERSION) {
    return absl::InvalidArgumentError(absl::StrCat("the device speaks version ", message.version,
                                                   " of the protocol, pvschedd version ",
                                                   PVSCHED_CONTROL_VERSION));
  }
  return message;
}

// A name out of a stranger's mouth, fit for a log and a table.
std::string CleanName(const char (&text)[sizeof(pvsched_control_msg::text)]) {
  std::string name(text, strnlen(text, sizeof(text)));
  for (char& c : name) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

int ErrnoOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
      return EINVAL;
    case absl::StatusCode::kPermissionDenied:
      return EPERM;
    case absl::StatusCode::kNotFound:
      return ENOENT;
    case absl::StatusCode::kAlreadyExists:
      return EEXIST;
    case absl::StatusCode::kResourceExhausted:
      return ENOSPC;
    default:
      return EIO;
  }
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
  absl::StatusOr<UniqueFd> listener = ListenUnix(path, SOCK_SEQPACKET, mode);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
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
    LOG_EVERY_N_SEC(WARNING, 10) << "too many devices are connected: user " << peer.uid
                                 << " is turned away";
    return;
  }
  const int number = fd.get();
  if (!loop_.Add(number, [this, number] { OnReadable(number); }).ok()) return;
  connections_[number] = {.fd = std::move(fd), .peer = peer.uid};
}

void ControlServer::OnReadable(int fd) {
  Connection& connection = connections_.at(fd);
  UniqueFd passed;
  absl::StatusOr<pvsched_control_msg> request = Receive(fd, passed);
  if (!request.ok()) {
    if (absl::IsUnavailable(request.status())) return;  // EAGAIN
    if (!absl::IsCancelled(request.status())) {
      LOG_EVERY_N_SEC(WARNING, 1) << "a device of user " << connection.peer
                                  << " is cut off: " << request.status().message();
    }
    return Close(fd);
  }
  const absl::Status status = Handle(connection, *request, std::move(passed));
  if (!status.ok()) {
    LOG_EVERY_N_SEC(WARNING, 1) << "VM " << (connection.vm ? connection.vm->name : "?")
                                << ": refused: " << status.message();
  }
  pvsched_control_msg reply = {};
  reply.magic = PVSCHED_CONTROL_MAGIC;
  reply.version = PVSCHED_CONTROL_VERSION;
  reply.type = request->type | PVSCHED_CONTROL_REPLY;
  reply.seq = request->seq;
  reply.error = ErrnoOf(status);
  reply.vcpu_id = request->vcpu_id;
  status.message().copy(reply.text, sizeof(reply.text) - 1);
  // A device that does not read its answers is no device.
  if (send(fd, &reply, sizeof(reply), MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(reply)) Close(fd);
}

absl::Status ControlServer::Handle(Connection& connection, const pvsched_control_msg& request,
                                   UniqueFd passed) {
  if (request.type == PVSCHED_CONTROL_HELLO) {
    if (connection.vm != nullptr) return absl::AlreadyExistsError("HELLO was said already");
    if (!passed) return absl::InvalidArgumentError("HELLO carries no pidfd of the VMM");
    absl::StatusOr<Vm*> vm =
        registry_.AddVm(std::move(passed), connection.peer, CleanName(request.text));
    if (!vm.ok()) return vm.status();
    connection.vm = *vm;
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
      return absl::InvalidArgumentError(absl::StrCat("no request has type ", request.type));
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
