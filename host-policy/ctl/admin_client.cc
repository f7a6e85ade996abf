// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/admin_client.h"

#include <sys/socket.h>
#include <systemd/sd-varlink.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/errno_status.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"
#include "host-policy/ctl/interrupt.h"
#include "host-policy/ctl/read_socket.h"
#include "host-policy/daemon/admin_interface.h"
#include "host-policy/daemon/varlink_json.h"

namespace pvsched {
namespace {

using Clock = std::chrono::steady_clock;

// pvschedd may load a policy before it answers.
constexpr std::chrono::seconds kReplyTimeout{120};

// What the user can do about it.
const char* HintFor(const absl::Status& status) {
  if (absl::IsPermissionDenied(status)) {
    return "; it is for root, and members of read-socket-group may use the commands that read";
  }
  // Such as a path that is too long.
  if (absl::IsInvalidArgument(status)) return "";
  return "; is pvschedd running? --socket names another socket";
}

// Not InvalidArgument, which stands for wrong usage of pvschedctl.
absl::Status Refusal(absl::string_view error, const Json& parameters) {
  if (error == SD_VARLINK_ERROR_DISCONNECTED || error == SD_VARLINK_ERROR_PROTOCOL) {
    return absl::UnavailableError(
        "pvschedd closed the connection: it has ended, or is of another version than pvschedctl");
  }
  if (const auto it = parameters.find("message"); it != parameters.end() && it->is_string()) {
    return absl::FailedPreconditionError(it->get<std::string>());
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "pvschedd, which may be of another version than pvschedctl, refused the request: ", error,
      " ", parameters.dump()));
}

// One call, and its replies in their order.
class Call {
 public:
  // False ends the call.
  using Handler = std::function<bool(absl::StatusOr<Json>)>;

  explicit Call(Handler on_reply) : on_reply_(std::move(on_reply)) {}
  ~Call() { sd_varlink_close_unref(link_); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  absl::Status Start(const std::string& socket_path, AdminMethod method, const Json& parameters,
                     int file) {
    absl::StatusOr<UniqueFd> fd = ConnectUnix(socket_path, SOCK_STREAM);
    if (!fd.ok()) {
      return absl::UnavailableError(absl::StrCat(fd.status().message(), HintFor(fd.status())));
    }
    int result = sd_varlink_connect_fd(&link_, fd->get());
    if (result < 0) return ErrnoStatus(-result, "sd_varlink_connect_fd");
    fd->release();
    sd_varlink_set_relative_timeout(link_, UINT64_MAX);  // Run() has its own
    sd_varlink_set_userdata(link_, this);
    sd_varlink_bind_reply(link_, OnReply);
    if (file >= 0) {
      sd_varlink_set_allow_fd_passing_output(link_, true);
      result = sd_varlink_push_dup_fd(link_, file);
    }
    const std::string name = absl::StrCat(PVSCHED_ADMIN_INTERFACE ".", InfoOf(method).name);
    const Variant variant = ToVariant(parameters);
    if (result >= 0) {
      result = method == AdminMethod::kTrace
                   ? sd_varlink_observe(link_, name.c_str(), variant.get())
                   : sd_varlink_invoke(link_, name.c_str(), variant.get());
    }
    return result < 0 ? ErrnoStatus(-result, name) : absl::OkStatus();
  }

  // Until the handler ends the call, or `end`. Cancelled: a signal has arrived.
  absl::Status Run(Clock::time_point end) {
    while (!is_done_) {
      if (WasInterrupted()) return absl::CancelledError("interrupted");
      const int result = sd_varlink_process(link_);
      if (result < 0 && !is_done_) return Refusal(SD_VARLINK_ERROR_PROTOCOL, Json::object());
      if (result != 0) continue;
      if (WaitForInput(sd_varlink_get_fd(link_), end) == WaitEnd::kTime) {
        return absl::UnavailableError(
            "pvschedd does not answer: it is busy, or of another version than pvschedctl");
      }
    }
    return absl::OkStatus();
  }

 private:
  static int OnReply(sd_varlink*, sd_json_variant* parameters, const char* error,
                     sd_varlink_reply_flags_t, void* self) {
    Call& call = *static_cast<Call*>(self);
    const Json json = FromVariant(parameters);
    if (call.is_done_ || !json.is_object()) return -EBADMSG;
    const bool goes_on =
        call.on_reply_(error != nullptr ? absl::StatusOr<Json>(Refusal(error, json)) : json);
    call.is_done_ = !goes_on;
    return 0;
  }

  Handler on_reply_;
  sd_varlink* link_ = nullptr;
  bool is_done_ = false;
};

}  // namespace

absl::StatusOr<Json> AdminClient::Ask(AdminMethod method, const Json& parameters, int file) const {
  absl::StatusOr<Json> reply = Json();
  Call call([&reply](absl::StatusOr<Json> arrived) {
    reply = std::move(arrived);
    return false;
  });
  RETURN_IF_ERROR(call.Start(SocketFor(socket_path_, method), method, parameters, file));
  // The verifier takes its time, and the user can interrupt it.
  const bool loads = method == AdminMethod::kLoadPolicy || method == AdminMethod::kResetPolicy;
  RETURN_IF_ERROR(call.Run(loads ? Clock::time_point::max() : Clock::now() + kReplyTimeout));
  return reply;
}

absl::Status AdminClient::Trace(const std::function<absl::Status()>& on_start,
                                const std::function<bool(const Json&)>& on_decision) const {
  absl::Status status;
  bool has_begun = false;
  Call call([&](const absl::StatusOr<Json>& reply) {
    status = reply.status();
    if (!status.ok() && has_begun) {
      status = absl::UnavailableError(
          "pvschedd ended the trace: it has ended, or its decisions were not read for too long");
    }
    if (!status.ok()) return false;
    if (has_begun) return on_decision(reply->value("decision", Json::object()));
    has_begun = true;
    status = on_start();
    return status.ok();
  });
  RETURN_IF_ERROR(call.Start(socket_path_, AdminMethod::kTrace, Json::object(), -1));
  const absl::Status ended = call.Run(Clock::time_point::max());
  if (absl::IsCancelled(ended)) return absl::OkStatus();
  return ended.ok() ? status : ended;
}

}  // namespace pvsched
