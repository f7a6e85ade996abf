// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/front_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/log_severity.h"
#include "absl/log/check.h"
#include "absl/log/globals.h"
#include "absl/log/initialize.h"
#include "absl/log/log.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/event_loop.h"
#include "common/fd_passing.h"
#include "common/journal_log.h"
#include "common/unique_fd.h"
#include "host-policy/daemon/front_protocol.h"
#include "host-policy/daemon/front_sandbox.h"
#include "host-policy/daemon/receivers.h"

namespace pvsched {
namespace {

// Of the process itself, and for one more connection.
constexpr size_t kSpareFds = 32;

enum class Moved {
  kSome,
  kNothing,    // there is nothing to move
  kFull,       // the other socket has no room
  kEnd,        // there will be nothing to move, or nowhere to
  kHasPassed,  // descriptors come with the next message
};

// Moves what waits in a socket, at most one packet, to another. Receives no descriptor: without
// a buffer for them the kernel would close them in this process.
Moved Move(int from, int to, bool with_note) {
  std::array<char, Receivers::kMaxMessage> data;
  iovec peeked_part = {.iov_base = data.data(), .iov_len = data.size()};
  msghdr peeked = {};
  peeked.msg_iov = &peeked_part;
  peeked.msg_iovlen = 1;
  const ssize_t size = recvmsg(from, &peeked, MSG_PEEK | MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN ? Moved::kNothing : Moved::kEnd;
  if ((peeked.msg_flags & MSG_CTRUNC) != 0) return Moved::kHasPassed;
  if (size == 0) return Moved::kEnd;
  PassedNote note = {};
  const size_t note_size = with_note ? sizeof(note) : 0;
  const std::array<iovec, 2> parts = {
      iovec{.iov_base = &note, .iov_len = note_size},
      iovec{.iov_base = data.data(), .iov_len = static_cast<size_t>(size)}};
  const absl::StatusOr<std::optional<size_t>> sent = SendWithFds(to, parts, {});
  if (!sent.ok()) return Moved::kEnd;
  if (!sent->has_value()) return Moved::kFull;
  return recv(from, data.data(), **sent - note_size, MSG_DONTWAIT) > 0 ? Moved::kSome : Moved::kEnd;
}

int16_t EventsOf(int fd) {
  pollfd poll_fd = {.fd = fd, .events = POLLOUT | POLLRDHUP, .revents = 0};
  return poll(&poll_fd, 1, 0) > 0 ? poll_fd.revents : int16_t{0};
}

// Thread-safety: the front process has one thread.
class FrontProcess {
 public:
  FrontProcess(int channel, size_t max_fds) : channel_(channel), max_fds_(max_fds) {}

  void Run() {
    CHECK_OK(loop_.Add(channel_, [this] { OnChannel(); }));
    send(channel_, "", 1, MSG_NOSIGNAL);
    loop_.Run();
  }

 private:
  struct Connection : FrontConnection {
    bool is_held = false;    // its next message waits for Receivers::IsHeldUp()
    bool has_ended = false;  // the client says no more
    bool is_inside_full = false;
    bool is_outside_full = false;

    bool Reads() const { return !is_inside_full && !is_held && !has_ended; }
  };

  bool HasRoom() const;
  void ContinueChannel();
  void OnChannel();
  void Step(int key);
  Moved MoveInside(Connection& connection);
  void OnEndOfClient(Connection& connection);
  void EndOthers(const Connection& but);
  void ServeOthers(uid_t but);
  void WaitForEvents(const Connection& connection);
  void Close(int key);
  void OnRoom();

  EventLoop loop_;
  const int channel_;
  const size_t max_fds_;
  Receivers receivers_{loop_, [this] { OnRoom(); }};
  std::unordered_map<int, Connection> connections_;  // by the outside descriptor
  bool is_channel_paused_ = false;
  bool is_serving_others_ = false;
};

// Descriptors beyond the limit would be closed here.
bool FrontProcess::HasRoom() const {
  return 2 * connections_.size() + receivers_.num_fds() + kSpareFds < max_fds_;
}

void FrontProcess::ContinueChannel() {
  if (!is_channel_paused_ || !HasRoom()) return;
  is_channel_paused_ = false;
  CHECK_OK(loop_.WaitFor(channel_, EPOLLIN));
}

void FrontProcess::OnChannel() {
  if (!HasRoom() && (EventsOf(channel_) & POLLHUP) == 0) {
    is_channel_paused_ = true;
    CHECK_OK(loop_.WaitFor(channel_, 0));
    return;
  }
  FrontRequest request;
  absl::StatusOr<std::optional<FdMessage>> message =
      ReceiveWithFds(channel_, &request, sizeof(request), /*max_fds=*/2);
  if (absl::IsInvalidArgument(message.status())) return;  // no room for descriptors
  if (!message.ok()) return loop_.Stop();                 // pvschedd has ended
  if (!message->has_value() || (*message)->fds.empty()) return;
  std::vector<UniqueFd>& fds = (*message)->fds;
  if (fds.size() == 1) return receivers_.Discard(std::move(fds[0]), request.uid);
  Connection connection;
  connection.outside = std::move(fds[0]);
  connection.inside = std::move(fds[1]);
  connection.uid = request.uid;
  int type = 0;
  socklen_t size = sizeof(type);
  getsockopt(connection.outside.get(), SOL_SOCKET, SO_TYPE, &type, &size);
  connection.has_notes = type == SOCK_SEQPACKET;
  // Otherwise recv() would drop an out-of-band message here, with what it carries.
  const int on = 1;
  setsockopt(connection.outside.get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
  const int key = connection.outside.get();
  const auto step = [this, key] { Step(key); };
  const bool is_added = loop_.Add(key, step).ok() && loop_.Add(connection.inside.get(), step).ok();
  connections_[key] = std::move(connection);
  if (!is_added) Close(key);
}

// Moves at most one message each way, so that all connections have their turn.
void FrontProcess::Step(int key) {
  Connection& connection = connections_.at(key);
  const Moved out = Move(connection.inside.get(), key, false);
  const Moved in = MoveInside(connection);
  if (out == Moved::kEnd || in == Moved::kEnd) return Close(key);
  const bool is_moving = out == Moved::kSome || in == Moved::kSome;
  // Without the one side the other gets no answer.
  if (!is_moving && ((EventsOf(key) | EventsOf(connection.inside.get())) & POLLHUP) != 0) {
    return Close(key);
  }
  connection.is_outside_full = out == Moved::kFull;
  connection.is_inside_full = in == Moved::kFull;
  WaitForEvents(connection);
}

Moved FrontProcess::MoveInside(Connection& connection) {
  connection.is_held = false;
  if (connection.has_ended) return Moved::kNothing;
  const int inside = connection.inside.get();
  const Moved moved = Move(connection.outside.get(), inside, connection.has_notes);
  if (moved == Moved::kEnd) {
    OnEndOfClient(connection);
    return Moved::kNothing;
  }
  if (moved != Moved::kHasPassed) return moved;
  if ((EventsOf(inside) & POLLOUT) == 0) return Moved::kFull;
  connection.is_held = receivers_.IsHeldUp(connection.uid);
  if (connection.is_held) return Moved::kNothing;
  ServeOthers(connection.uid);
  EndOthers(connection);
  const ReceiverResult result = receivers_.Receive(connection);
  // Root's devices speak for VMs of other users, which then have their own share.
  if (connection.uid == 0) connection.uid = result.vmm_uid.value_or(0);
  return result.is_done ? Moved::kSome : Moved::kEnd;
}

// A client may still read.
void FrontProcess::OnEndOfClient(Connection& connection) {
  connection.has_ended = true;
  shutdown(connection.inside.get(), SHUT_WR);
}

// A device that was started again connects before the end of the last one is seen here.
// pvschedd learns both in their order.
void FrontProcess::EndOthers(const Connection& but) {
  std::vector<pollfd> fds;
  for (const auto& [key, connection] : connections_) {
    if (&connection == &but || connection.has_ended) continue;
    fds.push_back({.fd = key, .events = POLLRDHUP, .revents = 0});
  }
  if (poll(fds.data(), fds.size(), 0) <= 0) return;
  for (const pollfd& fd : fds) {
    if ((fd.revents & POLLRDHUP) != 0) OnEndOfClient(connections_.at(fd.fd));
  }
}

// A message with descriptors takes the time of a fork. Before it each other user has a turn, so
// that a user delays others by one fork at a time.
void FrontProcess::ServeOthers(uid_t but) {
  if (is_serving_others_) return;
  std::vector<pollfd> fds = {{.fd = channel_, .events = POLLIN, .revents = 0}};
  std::vector<int> keys = {channel_};
  for (const auto& [key, connection] : connections_) {
    if (connection.uid == but) continue;
    const std::array<std::pair<int, bool>, 2> sides = {
        std::pair{key, connection.Reads()},
        std::pair{connection.inside.get(), !connection.is_outside_full}};
    for (const auto& [fd, is_read] : sides) {
      if (!is_read) continue;
      fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
      keys.push_back(key);
    }
  }
  if (poll(fds.data(), fds.size(), 0) <= 0) return;
  is_serving_others_ = true;
  if (fds[0].revents != 0) OnChannel();
  std::set<uid_t> served = {but};
  for (size_t i = 1; i < fds.size(); ++i) {
    const auto it = connections_.find(keys[i]);
    if (fds[i].revents == 0 || it == connections_.end()) continue;
    if (served.insert(it->second.uid).second) Step(keys[i]);
  }
  is_serving_others_ = false;
}

void FrontProcess::WaitForEvents(const Connection& connection) {
  const uint32_t outside =
      (connection.Reads() ? EPOLLIN : 0u) | (connection.is_outside_full ? EPOLLOUT : 0u);
  const uint32_t inside =
      (connection.is_outside_full ? 0u : EPOLLIN) | (connection.is_inside_full ? EPOLLOUT : 0u);
  CHECK_OK(loop_.WaitFor(connection.outside.get(), outside));
  CHECK_OK(loop_.WaitFor(connection.inside.get(), inside));
}

void FrontProcess::Close(int key) {
  Connection connection = std::move(connections_.extract(key).mapped());
  loop_.Remove(key);
  loop_.Remove(connection.inside.get());
  if (connection.is_held && connection.has_notes) {
    const PassedNote note = {.kind = PassedKind::kTooManyHeld};
    (void)SendWithFds(connection.inside.get(), &note, sizeof(note), {});
  }
  receivers_.Discard(std::move(connection.outside), connection.uid);
  connection.inside.reset();
  ContinueChannel();
}

void FrontProcess::OnRoom() {
  ContinueChannel();
  for (auto& [key, connection] : connections_) {
    if (!connection.is_held) continue;
    connection.is_held = false;
    WaitForEvents(connection);
  }
}

}  // namespace

int RunFrontProcess() {
  prctl(PR_SET_NAME, kFrontName);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) signal(signal_number, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);  // children leave no zombies
  close_range(kFrontChannel + 1, ~0u, 0);
  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfo);
  absl::InitializeLog();
  LogToJournal();
  rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
  getrlimit(RLIMIT_NOFILE, &limit);
  FrontProcess front(kFrontChannel, limit.rlim_cur);
  if (const absl::Status status = EnterFrontSandbox(); !status.ok()) {
    LOG(ERROR) << status.message();
    return 1;
  }
  front.Run();
  // Not by exit(): the kernel closes what clients have passed after all else.
  _exit(0);
}

}  // namespace pvsched
