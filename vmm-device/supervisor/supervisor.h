// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_VMM_DEVICE_SUPERVISOR_SUPERVISOR_H_
#define PVSCHED_VMM_DEVICE_SUPERVISOR_SUPERVISOR_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"
#include "vmm-device/supervisor/fd_store.h"
#include "vmm-device/supervisor/held_session.h"
#include "vmm-device/supervisor/kept_session.h"

namespace pvsched {

// Gives each VMM that connects to one socket a device process of its own. For
// the event loop's thread.
class Supervisor {
 public:
  static constexpr size_t kMaxSessions = 1024;

  struct Options {
    std::vector<std::string> command;  // starts a device; a session adds its own options
    // Keeps a user from taking all places. Root has no such limit.
    size_t max_user_vms = kMaxSessions / 2;
  };

  Supervisor(EventLoop* loop, Options options)
      : loop_(loop), options_(std::move(options)), store_(loop) {}
  ~Supervisor();

  // Continues the sessions that the last process left in the descriptor store.
  void Continue(std::map<uint64_t, KeptSession> sessions);

  // For the end of this process: leaves the sessions in the store to the next one.
  // False: there is no store, so the sessions end.
  bool LeaveSessions();

  // Accepts VMMs on a listening socket.
  absl::Status Listen(UniqueFd listener);

  size_t num_sessions() const { return sessions_.size(); }

 private:
  void Accept();
  size_t CountOf(uid_t uid) const;
  bool HasRoomFor(uid_t uid) const;
  absl::Status ContinueSession(uint64_t id, KeptSession kept);
  absl::Status StartSession(KeptDescriptors fds, uid_t uid, uint64_t id, const std::string& name);
  std::string MakeUnique(const std::string& name, uid_t uid) const;

  EventLoop* const loop_;
  const Options options_;
  UniqueFd listener_;
  Acceptor acceptor_;
  FdStore store_;
  uint64_t next_id_ = 1;                                       // of a session
  std::map<uint64_t, std::unique_ptr<HeldSession>> sessions_;  // by id
};

}  // namespace pvsched

#endif  // PVSCHED_VMM_DEVICE_SUPERVISOR_SUPERVISOR_H_
