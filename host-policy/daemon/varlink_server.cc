// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/varlink_server.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/log/check.h"
#include "common/errno_status.h"
#include "common/peer.h"

namespace pvsched {
namespace {

bool HasUnsent(sd_varlink* link) {
  const int events = sd_varlink_get_events(link);
  return events > 0 && (events & EPOLLOUT) != 0;
}

// Bytes that the client has sent and that were not received.
int Waiting(int fd) {
  int bytes = 0;
  return ioctl(fd, FIONREAD, &bytes) == 0 ? bytes : 0;
}

}  // namespace

VarlinkServer::VarlinkServer(EventLoop& loop, const Limits& limits, CloseHandler on_close,
                             Front* front)
    : loop_(loop), front_(front), limits_(limits), on_close_(std::move(on_close)) {
  sd_varlink_server* server = nullptr;
  CHECK_GE(sd_varlink_server_new(&server, static_cast<sd_varlink_server_flags_t>(0)), 0);
  server_.reset(server);
  sd_varlink_server_set_userdata(server, this);
  CHECK_GE(sd_varlink_server_bind_disconnect(
               server, [](sd_varlink_server*, sd_varlink* link,
                          void* self) { static_cast<VarlinkServer*>(self)->OnDisconnect(link); }),
           0);
}

VarlinkServer::~VarlinkServer() {
  while (!connections_.empty()) sd_varlink_close(connections_.begin()->first);
  if (timer_) loop_.Remove(timer_.get());
  if (!listener_) return;
  loop_.Remove(listener_.get());
  unlink(path_.c_str());
  if (front_ != nullptr) front_->CloseListener(std::move(listener_));
}

absl::Status VarlinkServer::Listen(const std::string& path, mode_t mode) {
  timer_.reset(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer_) return ErrnoStatus(errno, "timerfd_create");
  RETURN_IF_ERROR(loop_.Add(timer_.get(), [this] { OnTimer(); }));
  ASSIGN_OR_RETURN(listener_, ListenUnix(path, SOCK_STREAM, mode));
  path_ = path;
  return loop_.Add(listener_.get(), [this] { Accept(); });
}

void VarlinkServer::Accept() {
  if (front_ != nullptr && !front_->HasRoom(listener_.get())) return;
  UniqueFd fd = acceptor_.Accept(listener_.get(), SOCK_NONBLOCK);
  if (!fd) return;
  const uid_t peer = PeerUid(fd.get());
  if (front_ != nullptr) fd = front_->Guard(std::move(fd), SOCK_STREAM, peer);
  if (!fd) return;
  MakeRoom(peer);
  sd_varlink* link = nullptr;
  if (sd_varlink_server_add_connection(server_.get(), fd.get(), &link) < 0) return;
  connections_[link] = {.fd = fd.release(),
                        .peer = peer,
                        .number = ++accepted_,
                        .deadline = Clock::now() + limits_.timeout};
  sd_varlink_set_userdata(link, owner_);
  if (limits_.takes_fds) sd_varlink_set_allow_fd_passing_input(link, true);
  if (!loop_.Add(connections_[link].fd, [this, link] { Step(link); }).ok()) {
    sd_varlink_close(link);
    return;
  }
  ArmTimer();
}

void VarlinkServer::MakeRoom(uid_t peer) {
  const auto is_counted = [](const Connection& it) { return !it.streams; };
  const auto is_of_peer = [&](const Connection& it) { return !it.streams && it.peer == peer; };
  const auto count = [this](const auto& is) {
    return static_cast<size_t>(
        std::ranges::count_if(connections_, [&](const auto& it) { return is(it.second); }));
  };
  if (count(is_of_peer) >= limits_.max_user_connections) {
    CloseOldest(is_of_peer);
  } else if (count(is_counted) >= limits_.max_connections) {
    CloseOldest(is_counted);
  }
}

void VarlinkServer::CloseOldest(const std::function<bool(const Connection&)>& is_counted) {
  sd_varlink* oldest = nullptr;
  uint64_t number = accepted_ + 1;
  for (const auto& [link, connection] : connections_) {
    if (!is_counted(connection) || connection.number >= number) continue;
    oldest = link;
    number = connection.number;
  }
  sd_varlink_close(oldest);
}

void VarlinkServer::Step(sd_varlink* link) {
  Connection& connection = connections_.at(link);
  const bool sends = HasUnsent(link);
  if (connection.streams && !sends) {
    // The client has closed the connection, or breaks the protocol.
    sd_varlink_close(link);
    return;
  }
  const int waiting = Waiting(connection.fd);
  const int result = sd_varlink_process(link);
  if (!connections_.contains(link)) return;
  if (sends && result > 0) {
    connection.received = 0;
    connection.deadline = Clock::now() + limits_.timeout;
  } else {
    connection.received += static_cast<size_t>(std::max(0, waiting - Waiting(connection.fd)));
  }
  if (result < 0 || connection.received > limits_.max_request) {
    sd_varlink_close(link);
    return;
  }
  // More to do is done when the client can be answered, after the turns of the others.
  WaitFor(connection, HasUnsent(link) || (result > 0 && !connection.streams));
}

void VarlinkServer::WaitFor(Connection& connection, bool to_send) {
  if (connection.waits_to_send == to_send) return;
  connection.waits_to_send = to_send;
  CHECK_OK(loop_.WaitFor(connection.fd, to_send ? EPOLLOUT : EPOLLIN));
}

bool VarlinkServer::Notify(sd_varlink* link, sd_json_variant* parameters) {
  Connection& connection = connections_.at(link);
  connection.streams = true;
  if (HasUnsent(link) || sd_varlink_notify(link, parameters) < 0) return false;
  connection.deadline = Clock::now() + limits_.timeout;
  WaitFor(connection, true);
  ArmTimer();
  return true;
}

void VarlinkServer::Flush(sd_varlink* link) {
  Connection& connection = connections_.at(link);
  // One step of an open connection never closes it.
  sd_varlink_process(link);
  WaitFor(connection, HasUnsent(link));
}

void VarlinkServer::OnTimer() {
  uint64_t expirations = 0;
  if (read(timer_.get(), &expirations, sizeof(expirations)) < 0) return;
  is_armed_ = false;
  const Clock::time_point now = Clock::now();
  for (auto it = connections_.begin(); it != connections_.end();) {
    const auto& [link, connection] = *it++;  // closing erases it
    const bool is_late = connection.deadline <= now;
    if (is_late && (!connection.streams || HasUnsent(link))) sd_varlink_close(link);
  }
  ArmTimer();
}

// A stream without an unsent reply has no deadline.
void VarlinkServer::ArmTimer() {
  if (is_armed_) return;
  Clock::time_point next = Clock::time_point::max();
  for (const auto& [link, connection] : connections_) {
    if (connection.streams && !HasUnsent(link)) continue;
    next = std::min(next, connection.deadline);
  }
  if (next == Clock::time_point::max()) return;
  using std::chrono::nanoseconds;
  const auto left = std::max<nanoseconds>(next - Clock::now(), std::chrono::milliseconds(1));
  const itimerspec wait = {.it_interval = {},
                           .it_value = {.tv_sec = left.count() / 1'000'000'000,
                                        .tv_nsec = left.count() % 1'000'000'000}};
  is_armed_ = timerfd_settime(timer_.get(), 0, &wait, nullptr) == 0;
}

// libsystemd closes the descriptor afterwards.
void VarlinkServer::OnDisconnect(sd_varlink* link) {
  const auto it = connections_.find(link);
  if (it == connections_.end()) return;
  loop_.Remove(it->second.fd);
  connections_.erase(it);
  // An idle pvschedd does not wake up for a client that has left.
  if (connections_.empty() && is_armed_) {
    const itimerspec never = {};
    is_armed_ = timerfd_settime(timer_.get(), 0, &never, nullptr) != 0;
  }
  if (on_close_) on_close_(link);
}

}  // namespace pvsched
