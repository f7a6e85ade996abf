// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tests/native/vfio_user_fake_pvschedd.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "common/fd_passing.h"
#include "common/peer.h"
#include "common/unix_socket.h"

namespace pvsched {
namespace {

void Wake(const UniqueFd& eventfd) {
  const uint64_t one = 1;
  (void)!write(eventfd.get(), &one, sizeof(one));
}

pid_t PidOf(int pidfd) {
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(pidfd));
  std::string line;
  while (std::getline(info, line)) {
    if (line.starts_with("Pid:")) return std::stoi(line.substr(4));
  }
  return -1;
}

}  // namespace

FakePvschedd::FakePvschedd(const std::string& path)
    : path_(path), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  absl::StatusOr<UniqueFd> listener = ListenUnix(path, SOCK_SEQPACKET);
  EXPECT_TRUE(listener.ok()) << listener.status();
  if (listener.ok()) listener_ = *std::move(listener);
  thread_ = std::thread([this] { Serve(); });
}

FakePvschedd::~FakePvschedd() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  Wake(wake_);
  thread_.join();
  unlink(path_.c_str());
}

void FakePvschedd::Refuse(uint16_t type, int error, const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (error == 0) {
    refusals_.erase(type);
  } else {
    refusals_[type] = {error, text};
  }
}

void FakePvschedd::SetSilent(bool silent) {
  const std::lock_guard lock(mutex_);
  is_silent_ = silent;
}

void FakePvschedd::SetVersion(uint16_t version) {
  const std::lock_guard lock(mutex_);
  version_ = version;
}

void FakePvschedd::NeedProof() {
  const std::lock_guard lock(mutex_);
  needs_proof_ = true;
}

void FakePvschedd::SetWrongSeq(bool wrong) {
  const std::lock_guard lock(mutex_);
  is_seq_wrong_ = wrong;
}

void FakePvschedd::DismissNext() {
  const std::lock_guard lock(mutex_);
  is_next_dismissed_ = true;
}

void FakePvschedd::CloseConnections() {
  {
    const std::lock_guard lock(mutex_);
    close_all_ = true;
  }
  Wake(wake_);
}

std::map<uint32_t, FakePvschedd::Record> FakePvschedd::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

int FakePvschedd::hellos() const {
  const std::lock_guard lock(mutex_);
  return hellos_;
}

int FakePvschedd::connections() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(connections_.size());
}

pid_t FakePvschedd::vmm() const {
  const std::lock_guard lock(mutex_);
  return vmm_;
}

bool FakePvschedd::is_vmm_proven() const {
  const std::lock_guard lock(mutex_);
  return is_vmm_proven_;
}

std::string FakePvschedd::name() const {
  const std::lock_guard lock(mutex_);
  return name_;
}

void FakePvschedd::Serve() {
  for (;;) {
    std::vector<pollfd> fds = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                               {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
    {
      const std::lock_guard lock(mutex_);
      if (stop_) {
        connections_.clear();
        return;
      }
      if (std::exchange(close_all_, false)) {
        connections_.clear();
        records_.clear();
      }
      for (const auto& [fd, owner] : connections_) {
        fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
      }
    }
    poll(fds.data(), fds.size(), -1);

    const std::lock_guard lock(mutex_);
    uint64_t count;
    (void)!read(wake_.get(), &count, sizeof(count));
    for (size_t i = 2; i < fds.size(); ++i) {
      if (fds[i].revents != 0) ServeConnection(fds[i].fd);
    }
    if (fds[1].revents & POLLIN) {
      UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      const int raw_fd = fd.get();
      if (std::exchange(is_next_dismissed_, false)) {
        pvsched_control_msg farewell{};
        farewell.magic = PVSCHED_CONTROL_MAGIC;
        farewell.version = PVSCHED_CONTROL_VERSION;
        farewell.type = PVSCHED_CONTROL_HELLO | PVSCHED_CONTROL_REPLY;
        farewell.error = EAGAIN;
        std::string("the table is full").copy(farewell.text, sizeof(farewell.text) - 1);
        (void)SendWithFds(raw_fd, &farewell, sizeof(farewell), {});
        // A HELLO that is left unread would make the device's next call fail.
        char hello[sizeof(farewell)];
        pollfd readable{.fd = raw_fd, .events = POLLIN, .revents = 0};
        if (poll(&readable, 1, 10) == 1) (void)!read(raw_fd, hello, sizeof(hello));
        continue;
      }
      connections_[raw_fd] = std::move(fd);
    }
  }
}

void FakePvschedd::ServeConnection(int fd) {
  pvsched_control_msg request{};
  const absl::StatusOr<std::optional<FdMessage>> received =
      ReceiveWithFds(fd, &request, sizeof(request), /*max_fds=*/1);
  if (!received.ok()) {
    EXPECT_NE(received.status().code(), absl::StatusCode::kInvalidArgument) << received.status();
    // These tests have one VM, so all records are of this connection.
    connections_.erase(fd);
    records_.clear();
    return;
  }
  if (!received->has_value()) return;
  const FdMessage& message = **received;
  EXPECT_EQ(message.size, sizeof(request));
  EXPECT_EQ(request.magic, PVSCHED_CONTROL_MAGIC);
  // As version 1 did.
  if (request.version > version_) {
    connections_.erase(fd);
    return;
  }
  if (is_silent_) return;
  pvsched_control_msg reply = Answer(request, message.fds.empty() ? -1 : message.fds[0].get());
  if (is_seq_wrong_) reply.seq += 1;
  const auto sent = SendWithFds(fd, &reply, sizeof(reply), {});
  // Unavailable: the device may have ended already, at the end of a test.
  EXPECT_TRUE(sent.ok() || absl::IsUnavailable(sent.status())) << sent.status();
}

pvsched_control_msg FakePvschedd::Answer(const pvsched_control_msg& request, int fd) {
  pvsched_control_msg reply = request;
  reply.type |= PVSCHED_CONTROL_REPLY;
  reply.error = 0;
  memset(reply.text, 0, sizeof(reply.text));
  if (needs_proof_ && request.type == PVSCHED_CONTROL_HELLO && !CheckAcceptedSocket(fd).ok()) {
    reply.error = EPERM;
    std::string("of another user").copy(reply.text, sizeof(reply.text) - 1);
    return reply;
  }
  if (const auto it = refusals_.find(request.type); it != refusals_.end()) {
    reply.error = it->second.first;
    it->second.second.copy(reply.text, sizeof(reply.text) - 1);
    return reply;
  }
  switch (request.type) {
    case PVSCHED_CONTROL_HELLO:
      ++hellos_;
      is_vmm_proven_ = CheckAcceptedSocket(fd).ok();
      vmm_ = is_vmm_proven_ ? GetPeer(fd)->pid : PidOf(fd);
      name_ = request.text;
      break;
    case PVSCHED_CONTROL_REGISTER: {
      struct stat st{};
      EXPECT_EQ(fstat(fd, &st), 0);
      EXPECT_FALSE(records_.contains(request.vcpu_id)) << "vCPU " << request.vcpu_id;
      records_[request.vcpu_id] = Record{st.st_ino, request.offset};
      break;
    }
    case PVSCHED_CONTROL_WITHDRAW:
      EXPECT_EQ(records_.erase(request.vcpu_id), 1u);
      break;
    case PVSCHED_CONTROL_WITHDRAW_ALL:
      records_.clear();
      break;
    default:
      ADD_FAILURE() << "a request of type " << request.type;
  }
  return reply;
}

}  // namespace pvsched
