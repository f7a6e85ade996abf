// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_FRONT_H_
#define PVSCHED_HOST_POLICY_DAEMON_FRONT_H_

#include <sys/types.h>

#include <deque>
#include <vector>

#include "absl/status/status.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace pvsched {

// pvschedd's side of its front process (front_process.h), which keeps clients' descriptors away
// from pvschedd: a client can make the process that closes its descriptor wait for ever. If the
// front process ends, all its connections end too, and the next one is started. pvschedd keeps no
// copy of them, since it could be the last to close one.
//
// Thread-safety: the event loop's thread only.
class Front {
 public:
  // `loop` must outlive the object.
  explicit Front(EventLoop& loop) : loop_(loop) {}
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  // Returns once the front process is ready. Also makes the kernel reap this process's children.
  absl::Status Start();

  // False: too many connections wait for the front process. `listener`, which is in the loop, has
  // no events until there is room.
  bool HasRoom(int listener);

  // Hands a client's connection of `type` over. Returns the socket by which to serve the client,
  // from which only harmless descriptors come. Of a SOCK_SEQPACKET connection a PassedNote precedes
  // each message. None if there are no descriptors left.
  UniqueFd Guard(UniqueFd connection, int type, uid_t uid);

  // Closes a listening socket: clients that were not accepted may have sent descriptors.
  void CloseListener(UniqueFd listener);

 private:
  struct Handover {
    UniqueFd outside;
    UniqueFd inside;
    uid_t uid;
  };

  absl::Status Spawn();
  absl::Status WaitUntilReady();
  void RestartLater();
  void Flush();
  void OnChannel();
  void OnTimer();

  EventLoop& loop_;
  UniqueFd channel_;  // none while no front process runs
  UniqueFd process_;  // its pidfd
  bool is_ready_ = false;
  UniqueFd timer_;  // until the next one is started
  std::deque<Handover> waiting_;
  std::vector<int> paused_;  // listeners without events
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_FRONT_H_
