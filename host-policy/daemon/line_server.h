// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_DAEMON_LINE_SERVER_H_
#define PVSCHED_HOST_POLICY_DAEMON_LINE_SERVER_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "common/event_loop.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"

namespace pvsched {

// A server of one request and one reply, a line each, on a stream socket. It
// never waits: a client that sends or reads slowly holds a connection, not the
// event loop. A client that is one too many replaces the oldest.
//
// Thread-safety: the event loop's thread only.
class LineServer {
 public:
  static constexpr size_t kMaxRequest = 4096;
  static constexpr size_t kMaxConnections = 32;

  struct Reply {
    std::string text{};
    // Gets the connection once the reply is sent; empty: it is closed.
    std::function<void(UniqueFd)> then{};
  };
  // `request` is untrusted, and has at most kMaxRequest bytes.
  using Handler = std::function<Reply(const std::string& request)>;

  // `loop` must outlive the server.
  LineServer(EventLoop& loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}
  ~LineServer();
  LineServer(const LineServer&) = delete;
  LineServer& operator=(const LineServer&) = delete;

  absl::Status Listen(const std::string& path, mode_t mode);

 private:
  struct Connection {
    UniqueFd fd;
    uint64_t number = 0;  // in the order of their arrival
    std::string request{};
    bool has_reply = false;
    Reply reply{};
    size_t sent = 0;
  };

  void Accept();
  void OnReady(int fd);
  void Receive(Connection& connection);
  void Send(Connection& connection);
  void CloseOldest();
  void Close(int fd);

  EventLoop& loop_;
  Handler handler_;
  std::string path_;
  UniqueFd listener_;
  Acceptor acceptor_;
  uint64_t accepted_ = 0;
  std::map<int, Connection> connections_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_DAEMON_LINE_SERVER_H_
