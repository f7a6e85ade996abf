// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_RECEIVERS_H_
#define PVSCHED_HOST_POLICY_DAEMON_RECEIVERS_H_

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace pvsched {

// A client's connection, and the front process's end of the socket by which pvschedd serves it.
struct FrontConnection {
  UniqueFd outside;
  UniqueFd inside;
  uid_t uid = 0;
  bool has_notes = false;  // a PassedNote precedes each message to pvschedd
};

// How a receiver has done its work.
struct ReceiverResult {
  bool is_done = false;
  // The user whose VM the client's socket names.
  std::optional<uid_t> vmm_uid = {};
};

// The front process's children. Each receives one message with descriptors, and ends when it has
// closed them: possibly never, even after SIGKILL. A client can delay the flush() and release()
// of its files.
class Receivers {
 public:
  // More than a packet of the protocols has. The rest of a stream's data is received later.
  static constexpr size_t kMaxMessage = 16 << 10;

  // `on_room` is called when IsHeldUp() may have changed.
  Receivers(EventLoop& loop, std::function<void()> on_room)
      : loop_(loop), on_room_(std::move(on_room)) {}

  // Whether descriptors of the user hold so many processes that it gets no more.
  bool IsHeldUp(uid_t uid) const;
  // Moves the client's next message, which carries descriptors, to pvschedd. Unless it is done the
  // connection must be closed. `inside` must have room.
  ReceiverResult Receive(const FrontConnection& connection);
  // Closes the connection to a client, and what its unread messages carry. Those of a user who is
  // held up wait.
  void Discard(UniqueFd outside, uid_t uid);
  // That the children and the waiting connections need.
  size_t num_fds() const { return children_.size() + discarded_.size(); }

 private:
  struct Child {
    UniqueFd pidfd;
    uid_t uid;
  };

  struct Discarded {
    UniqueFd outside;
    uid_t uid;
  };

  // Runs `body` in a child that has no files but `kept`, and waits for its result. The child
  // ends after `finish` has returned here. Not done: it has failed, or is late.
  ReceiverResult Fork(
      uid_t uid, std::vector<int> kept, const std::function<ReceiverResult()>& body,
      const std::function<void()>& finish = [] {});
  void CloseDiscarded();
  void OnEnd(int pidfd);

  EventLoop& loop_;
  const std::function<void()> on_room_;
  std::map<int, Child> children_;  // that have not ended, by pidfd
  std::list<Discarded> discarded_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_RECEIVERS_H_
