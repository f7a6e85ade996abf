// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The control protocol: what devices, and a front process that was taken over, send to pvschedd.
// Several connections come and go. After their end no VM and no descriptor is left.

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/fd_passing.h"
#include "common/pidfd.h"
#include "common/unix_socket.h"
#include "host-policy/daemon/control_limits.h"
#include "host-policy/daemon/control_server.h"
#include "host-policy/daemon/front.h"
#include "host-policy/daemon/front_protocol.h"
#include "pvsched_control.h"
#include "tests/fuzz/fake_registry.h"
#include "tests/fuzz/fuzz.h"

namespace pvsched {
namespace {

constexpr size_t kMaxClients = 8;

struct Packet {
  PassedNote note;
  pvsched_control_msg message;
};
static_assert(sizeof(Packet) == sizeof(PassedNote) + sizeof(pvsched_control_msg));

ControlLimits TakeLimits(FuzzInput& input) {
  ControlLimits limits;
  const auto flags = input.Take<uint8_t>();
  if ((flags & 1) != 0) limits.max_user_connections = 2;
  if ((flags & 2) != 0) limits.hello_timeout = std::chrono::milliseconds(0);
  return limits;
}

// The clients of a server, in the server's loop: one step of the input between two events of the
// server.
class Clients {
 public:
  Clients(EventLoop& loop, FuzzInput& input, const std::string& path)
      : loop_(loop), input_(input), path_(path) {
    Require(loop_.Add(turn_.get(), [this] { OnTurn(); }).ok(), "the loop takes a descriptor");
  }
  ~Clients() { loop_.Remove(turn_.get()); }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

 private:
  void OnTurn();
  void Send(int fd);
  void FillMessage(Packet& packet);
  std::vector<int> Descriptors(uint8_t kind) const;
  static void ReadReplies(int fd);

  EventLoop& loop_;
  FuzzInput& input_;
  const std::string path_;
  const UniqueFd turn_{eventfd(1, EFD_CLOEXEC)};
  const UniqueFd memory_ = MakeMemory(1 << 20);
  const UniqueFd self_{pidfd_open(getpid(), 0)};
  const UniqueFd parent_{pidfd_open(getppid(), 0)};
  const UniqueFd null_{open("/dev/null", O_RDONLY | O_CLOEXEC)};
  std::vector<UniqueFd> clients_;
  size_t last_turns_ = 0;
};

void Clients::OnTurn() {
  for (const UniqueFd& client : clients_) ReadReplies(client.get());
  if (input_.is_empty()) {
    // Each connection may still have to be accepted, and to be closed.
    if (last_turns_ == 0) last_turns_ = 2 * clients_.size() + 1;
    clients_.clear();
    if (--last_turns_ == 0) loop_.Stop();
    return;
  }
  const auto step = input_.Take<uint8_t>();
  const size_t client = step / 8 % kMaxClients;
  if (client >= clients_.size()) {
    if (clients_.size() == kMaxClients) return;
    absl::StatusOr<UniqueFd> connected = ConnectUnix(path_, SOCK_SEQPACKET | SOCK_NONBLOCK);
    if (connected.ok()) clients_.push_back(*std::move(connected));
  } else if (step % 8 == 0) {
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(client));
  } else if (step % 8 == 1) {
    const FuzzInput::Bytes bytes = input_.Take(input_.InRange(0, sizeof(Packet) + 1));
    send(clients_[client].get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } else {
    Send(clients_[client].get());
  }
}

void Clients::Send(int fd) {
  Packet packet = {};
  const auto kind = input_.Take<uint8_t>();
  packet.note.kind = static_cast<PassedKind>(kind % 8);
  if ((kind & 8) != 0) {
    packet.note.uid = input_.Take<uint16_t>();
    packet.note.code = input_.Take<int16_t>();
    const FuzzInput::Bytes text = input_.Take(input_.InRange(0, sizeof(packet.note.text)));
    std::ranges::copy(text, packet.note.text);
  }
  FillMessage(packet);
  (void)SendWithFds(fd, &packet, sizeof(packet), Descriptors(kind >> 4));
}

void Clients::FillMessage(Packet& packet) {
  pvsched_control_msg& message = packet.message;
  const auto flags = input_.Take<uint8_t>();
  message.magic = PVSCHED_CONTROL_MAGIC;
  message.version = (flags & 1) != 0 ? input_.Take<uint16_t>() : PVSCHED_CONTROL_VERSION;
  message.type = input_.Take<uint8_t>();
  message.vcpu_id = (flags & 2) != 0 ? input_.Take<uint32_t>() : flags >> 6;
  message.offset = (flags & 4) != 0 ? input_.Take<uint64_t>() : 0;
  message.mask = input_.Take<uint8_t>();
  message.features = flags;
  message.tid = input_.Take<int16_t>();
  message.seq = flags;
  const FuzzInput::Bytes text = input_.Take(input_.InRange(0, sizeof(message.text)));
  std::ranges::copy(text, message.text);
}

std::vector<int> Clients::Descriptors(uint8_t kind) const {
  switch (kind % 8) {
    case 0:
      return {};
    case 1:
      return {null_.get()};
    case 2:
      return {memory_.get(), memory_.get()};
    case 3:
      return {self_.get()};
    case 4:
      return {parent_.get()};
    default:
      return {memory_.get()};
  }
}

void Clients::ReadReplies(int fd) {
  std::array<char, sizeof(pvsched_control_msg) + 1> bytes;
  ssize_t size;
  while ((size = recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT)) > 0) {
    pvsched_control_msg reply;
    Require(size == sizeof(reply), "a reply has its size");
    memcpy(&reply, bytes.data(), sizeof(reply));
    Require(reply.magic == PVSCHED_CONTROL_MAGIC, "a reply has the magic");
    Require((reply.type & PVSCHED_CONTROL_REPLY) != 0, "pvschedd only replies");
    Require(reply.version <= PVSCHED_CONTROL_VERSION, "a reply has no later version");
    Require(reply.error >= 0, "an error is a positive errno");
    Require(memchr(reply.text, 0, sizeof(reply.text)) != nullptr, "a reply's text ends");
    Require(reply.error != 0 || reply.text[0] == 0, "success has no reason");
  }
}

}  // namespace
}  // namespace pvsched

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = "/tmp/pvsched-fuzz-control-" + std::to_string(getpid());
  const pvsched::FdLeakCheck leak_check;
  pvsched::FuzzInput input(data, size);
  pvsched::EventLoop loop;
  pvsched::Front front(loop);
  pvsched::Registry registry = pvsched::MakeFakeRegistry(loop);
  {
    pvsched::ControlServer server(loop, front, registry, pvsched::TakeLimits(input));
    pvsched::Require(server.Listen(path, 0600).ok(), "the server can listen");
    const pvsched::Clients clients(loop, input, path);
    loop.Run();
  }
  pvsched::Require(registry.vms().empty(), "no VM is left");
  return 0;
}
