// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_VARLINK_SERVER_H_
#define PVSCHED_HOST_POLICY_DAEMON_VARLINK_SERVER_H_

#include <sys/types.h>
#include <systemd/sd-varlink.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"
#include "host-policy/daemon/front.h"

namespace pvsched {

// Serves Varlink on one Unix socket. It never waits. A client that sends or reads slowly holds
// a connection, not the event loop: each turn of the loop does one step of a connection, and a
// client that does not read its reply has no further call answered.
//
// Thread-safety: the event loop's thread only.
class VarlinkServer {
 public:
  // What keeps clients from using up pvschedd. A connection too many replaces the oldest. A
  // call that streams is not counted, as its handler limits it.
  struct Limits {
    size_t max_connections = 32;
    size_t max_user_connections = 16;
    size_t max_request = 64 << 10;  // bytes between two replies
    // For a request to arrive and for a reply to be read; then the connection is closed.
    std::chrono::milliseconds timeout{10'000};
    bool takes_fds = false;  // whether requests may carry descriptors
  };
  // Called when a connection ends.
  using CloseHandler = std::function<void(sd_varlink*)>;

  // `loop` and `front` must outlive the server. Without `front` clients are trusted with
  // descriptors.
  VarlinkServer(EventLoop& loop, const Limits& limits, CloseHandler on_close = nullptr,
                Front* front = nullptr);
  ~VarlinkServer();
  VarlinkServer(const VarlinkServer&) = delete;
  VarlinkServer& operator=(const VarlinkServer&) = delete;

  // To add interfaces and methods. `userdata` of a method is what SetOwner() has set.
  sd_varlink_server* get() const { return server_.get(); }
  void SetOwner(void* owner) { owner_ = owner; }

  absl::Status Listen(const std::string& path, mode_t mode);

  // Queues a reply that more replies follow. False: the client has not read the one before, and
  // this one is dropped.
  bool Notify(sd_varlink* link, sd_json_variant* parameters);
  // Sends what Notify() has queued, as far as the client reads, and closes nothing. Not for a
  // method's handler, after which the loop does it.
  void Flush(sd_varlink* link);

 private:
  using Clock = std::chrono::steady_clock;
  struct Unref {
    void operator()(sd_varlink_server* server) const { sd_varlink_server_unref(server); }
  };
  struct Connection {
    int fd;  // of libsystemd
    uid_t peer;
    uint64_t number;  // in the order of their arrival
    Clock::time_point deadline;
    size_t received = 0;  // since the last reply
    bool streams = false;
    bool waits_to_send = false;
  };

  void Accept();
  void MakeRoom(uid_t peer);
  void CloseOldest(const std::function<bool(const Connection&)>& is_counted);
  // Reads, answers or sends, once.
  void Step(sd_varlink* link);
  void WaitFor(Connection& connection, bool to_send);
  void OnTimer();
  void ArmTimer();
  void OnDisconnect(sd_varlink* link);

  EventLoop& loop_;
  Front* const front_;
  const Limits limits_;
  CloseHandler on_close_;
  void* owner_ = nullptr;
  std::unique_ptr<sd_varlink_server, Unref> server_;
  std::string path_;
  UniqueFd listener_;
  Acceptor acceptor_;
  UniqueFd timer_;  // the earliest deadline, or earlier
  bool is_armed_ = false;
  uint64_t accepted_ = 0;
  std::map<sd_varlink*, Connection> connections_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_VARLINK_SERVER_H_
