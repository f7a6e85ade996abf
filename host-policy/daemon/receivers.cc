// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/receivers.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/log/log.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/fd_passing.h"
#include "common/pidfd.h"
#include "host-policy/daemon/front_protocol.h"
#include "host-policy/daemon/passed_fd.h"

namespace pvsched {
namespace {

// Processes that a user's descriptors may hold.
constexpr std::ptrdiff_t kMaxHeld = 16;
// A receiver makes no call that waits, until it has passed its message on.
constexpr int kTimeoutMs = 1000;

void CloseAllBut(std::vector<int> kept) {
  std::ranges::sort(kept);
  unsigned first = 0;
  for (const int fd : kept) {
    const auto next = static_cast<unsigned>(fd);
    if (next > first) close_range(first, next - 1, 0);
    first = next + 1;
  }
  close_range(first, ~0u, 0);
}

// The next message of a client. Its descriptor is closed by the end of the process only.
struct Peeked {
  ssize_t size = -1;
  int fd = -1;
  bool has_more_fds = false;
};

Peeked Peek(int socket, absl::Span<char> data) {
  iovec part = {.iov_base = data.data(), .iov_len = data.size()};
  alignas(cmsghdr) std::array<char, CMSG_LEN(sizeof(int))> control;
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  Peeked peeked;
  peeked.size = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  peeked.has_more_fds = (message.msg_flags & MSG_CTRUNC) != 0;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (peeked.size < 0 || header == nullptr || header->cmsg_type != SCM_RIGHTS) return peeked;
  memcpy(&peeked.fd, CMSG_DATA(header), sizeof(int));
  return peeked;
}

// Sends the message to pvschedd before it leaves the client's socket: a message that is no
// longer there has arrived.
ReceiverResult Forward(const FrontConnection& from) {
  std::array<char, Receivers::kMaxMessage> data;
  const Peeked peeked = Peek(from.outside.get(), absl::MakeSpan(data));
  if (peeked.size < 0) return {};
  InspectedFd passed = {.note = {.kind = PassedKind::kTooMany}, .fd = {}};
  if (!peeked.has_more_fds) passed = InspectPassedFd(peeked.fd);
  const size_t note_size = from.has_notes ? sizeof(PassedNote) : 0;
  const auto size = static_cast<size_t>(peeked.size);
  const std::array<iovec, 2> parts = {iovec{.iov_base = &passed.note, .iov_len = note_size},
                                      iovec{.iov_base = data.data(), .iov_len = size}};
  const int fd = passed.fd.get();
  const absl::StatusOr<std::optional<size_t>> sent =
      SendWithFds(from.inside.get(), parts, absl::MakeConstSpan(&fd, passed.fd ? 1 : 0));
  if (!sent.ok() || *sent != note_size + size || peeked.has_more_fds) return {};
  ReceiverResult result;
  // Not the last reference to what the message carries: `peeked` has one.
  result.is_done = recv(from.outside.get(), data.data(), size, MSG_DONTWAIT) == peeked.size;
  if (passed.note.kind == PassedKind::kVmm) result.vmm_uid = passed.note.uid;
  return result;
}

}  // namespace

bool Receivers::IsHeldUp(uid_t uid) const {
  return std::ranges::count_if(children_, [uid](const auto& it) { return it.second.uid == uid; }) >=
         kMaxHeld;
}

ReceiverResult Receivers::Receive(const FrontConnection& connection) {
  return Fork(connection.uid, {connection.outside.get(), connection.inside.get()}, [&connection] {
    const ReceiverResult result = Forward(connection);
    // The process may live on with the client's descriptors, but not with these.
    close(connection.outside.get());
    close(connection.inside.get());
    return result;
  });
}

void Receivers::Discard(UniqueFd outside, uid_t uid) {
  // From now on the client can add no message.
  shutdown(outside.get(), SHUT_RDWR);
  if (!HasUnread(outside.get())) return;
  discarded_.push_back({.outside = std::move(outside), .uid = uid});
  CloseDiscarded();
}

// Without another process that has it open, a connection is kept open rather than closed here.
void Receivers::CloseDiscarded() {
  for (auto it = discarded_.begin(); it != discarded_.end();) {
    UniqueFd& outside = it->outside;
    if (!IsHeldUp(it->uid)) {
      Fork(
          it->uid, {outside.get()}, [] { return ReceiverResult{.is_done = true}; },
          [&outside] { outside.reset(); });
      if (outside) return;  // there is no process now
    }
    it = outside ? std::next(it) : discarded_.erase(it);
  }
}

ReceiverResult Receivers::Fork(uid_t uid, std::vector<int> kept,
                               const std::function<ReceiverResult()>& body,
                               const std::function<void()>& finish) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return {};
  UniqueFd sync(ends[0]);
  UniqueFd other(ends[1]);
  const pid_t child = fork();
  if (child < 0) {
    LOG_EVERY_N_SEC(ERROR, 10) << "cannot start a process for a client's descriptor: "
                               << strerror(errno);
    return {};
  }
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(kTimeoutMs / 1000);
    kept.push_back(other.get());
    CloseAllBut(std::move(kept));
    ReceiverResult result = body();
    alarm(0);
    send(other.get(), &result, sizeof(result), MSG_NOSIGNAL);
    (void)recv(other.get(), &result, sizeof(result), 0);  // until the parent has finished
    // Some of what can delay the end ends by a signal.
    alarm(1);
    _exit(0);
  }
  UniqueFd pidfd(pidfd_open(child, 0));
  const int key = pidfd.get();
  if (loop_.Add(key, [this, key] { OnEnd(key); }).ok()) {
    children_[key] = {.pidfd = std::move(pidfd), .uid = uid};
  }
  other.reset();
  pollfd answer = {.fd = sync.get(), .events = POLLIN, .revents = 0};
  ReceiverResult result;
  if (poll(&answer, 1, kTimeoutMs) != 1 ||
      recv(sync.get(), &result, sizeof(result), MSG_DONTWAIT) != sizeof(result)) {
    return {};
  }
  finish();
  return result;
}

void Receivers::OnEnd(int pidfd) {
  loop_.Remove(pidfd);
  children_.erase(pidfd);
  CloseDiscarded();
  on_room_();
}

}  // namespace pvsched
