// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/admin_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/unix_socket.h"
#include "host-policy/ctl/read_socket.h"

namespace pvsched {
namespace {

// What the user can do about it.
const char* HintFor(const absl::Status& status) {
  if (absl::IsPermissionDenied(status)) {
    return "; it is for root, and members of read-socket-group may use the commands that read";
  }
  // Such as a path that is too long.
  if (absl::IsInvalidArgument(status)) return "";
  return "; is pvschedd running? --socket names another socket";
}

absl::StatusOr<UniqueFd> Send(const std::string& socket_path, const Json& request) {
  absl::StatusOr<UniqueFd> fd = ConnectUnix(socket_path, SOCK_STREAM);
  if (!fd.ok()) {
    return absl::UnavailableError(absl::StrCat(fd.status().message(), HintFor(fd.status())));
  }
  const std::string text = request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (send(fd->get(), text.data(), text.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(text.size())) {
    return absl::UnavailableError("pvschedd closed the connection");
  }
  return fd;
}

// Reads JSON objects, one in each line.
class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}

  absl::StatusOr<Json> Next() {
    size_t end;
    while ((end = buffer_.find('\n')) == std::string::npos) {
      char chunk[16384];
      const ssize_t size = read(fd_, chunk, sizeof(chunk));
      if (size < 0 && errno == EINTR) return absl::CancelledError("interrupted");
      if (size <= 0) return absl::UnavailableError("pvschedd closed the connection");
      buffer_.append(chunk, static_cast<size_t>(size));
    }
    Json json = Json::parse(buffer_.substr(0, end), nullptr, /*allow_exceptions=*/false);
    buffer_.erase(0, end + 1);
    if (!json.is_object()) return absl::InternalError("pvschedd's reply is not JSON");
    return json;
  }

 private:
  int fd_;
  std::string buffer_;
};

absl::StatusOr<Json> ResultOf(absl::StatusOr<Json> reply) {
  ASSIGN_OR_RETURN(const Json answer, std::move(reply));
  if (const auto error = answer.find("error"); error != answer.end() && error->is_string()) {
    // Not InvalidArgument, which stands for wrong usage of pvschedctl.
    return absl::FailedPreconditionError(error->get<std::string>());
  }
  return answer.value("result", Json());
}

}  // namespace

absl::StatusOr<Json> AdminClient::Ask(const Json& request) const {
  ASSIGN_OR_RETURN(UniqueFd fd,
                   Send(SocketFor(socket_path_, request.value("command", "")), request));
  return ResultOf(LineReader(fd.get()).Next());
}

absl::Status AdminClient::Trace(const std::function<absl::Status()>& on_start,
                                const std::function<bool(const Json&)>& on_decision) const {
  ASSIGN_OR_RETURN(UniqueFd fd, Send(socket_path_, {{"command", "trace"}}));
  LineReader reader(fd.get());
  RETURN_IF_ERROR(ResultOf(reader.Next()).status());
  RETURN_IF_ERROR(on_start());
  while (true) {
    absl::StatusOr<Json> decision = reader.Next();
    if (absl::IsCancelled(decision.status())) return absl::OkStatus();
    if (!decision.ok()) return decision.status();
    if (!on_decision(*decision)) return absl::OkStatus();
  }
}

}  // namespace pvsched
