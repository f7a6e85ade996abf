// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/line_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/errno_status.h"

namespace pvsched {

LineServer::~LineServer() {
  while (!connections_.empty()) Close(connections_.begin()->first);
  if (!listener_) return;
  loop_.Remove(listener_.get());
  unlink(path_.c_str());
}

absl::Status LineServer::Listen(const std::string& path, mode_t mode) {
  ASSIGN_OR_RETURN(listener_, ListenUnix(path, SOCK_STREAM, mode));
  path_ = path;
  return loop_.Add(listener_.get(), [this] { Accept(); });
}

void LineServer::Accept() {
  UniqueFd fd = acceptor_.Accept(listener_.get(), SOCK_NONBLOCK);
  if (!fd) return;
  if (connections_.size() >= kMaxConnections) CloseOldest();
  const int key = fd.get();
  if (!loop_.Add(key, [this, key] { OnReady(key); }).ok()) return;
  connections_[key] = {.fd = std::move(fd), .number = ++accepted_};
}

void LineServer::OnReady(int fd) {
  Connection& connection = connections_.at(fd);
  if (connection.has_reply) {
    Send(connection);
  } else {
    Receive(connection);
  }
}

void LineServer::Receive(Connection& connection) {
  const int fd = connection.fd.get();
  char buffer[kMaxRequest];
  const ssize_t size = read(fd, buffer, sizeof(buffer) - connection.request.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return Close(fd);
  connection.request.append(buffer, static_cast<size_t>(size));
  if (connection.request.find('\n') == std::string::npos) {
    if (connection.request.size() >= kMaxRequest) Close(fd);
    return;
  }
  connection.reply = handler_(connection.request);
  connection.has_reply = true;
  Send(connection);
}

void LineServer::Send(Connection& connection) {
  const int fd = connection.fd.get();
  const std::string& text = connection.reply.text;
  while (connection.sent < text.size()) {
    const ssize_t size = send(fd, text.data() + connection.sent, text.size() - connection.sent,
                              MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) {
      if (!loop_.WaitUntilWritable(fd).ok()) Close(fd);
      return;
    }
    if (size <= 0) return Close(fd);
    connection.sent += static_cast<size_t>(size);
  }
  if (!connection.reply.then) return Close(fd);
  loop_.Remove(fd);
  Connection done = std::move(connections_.extract(fd).mapped());
  done.reply.then(std::move(done.fd));
}

void LineServer::CloseOldest() {
  const auto oldest =
      std::ranges::min_element(connections_, {}, [](const auto& it) { return it.second.number; });
  Close(oldest->first);
}

void LineServer::Close(int fd) {
  loop_.Remove(fd);
  connections_.erase(fd);
}

}  // namespace pvsched
