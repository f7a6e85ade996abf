// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_TESTS_NATIVE_ADMIN_CALL_H_
#define PVSCHED_TESTS_NATIVE_ADMIN_CALL_H_

#include <systemd/sd-varlink.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/admin_interface.h"
#include "host-policy/daemon/admin_methods.h"
#include "host-policy/daemon/varlink_json.h"

namespace pvsched {

// Parameters with which a running pvschedd accepts the method.
inline nlohmann::ordered_json ValidParameters(AdminMethod method) {
  switch (method) {
    case AdminMethod::kSetTunable:
      return {{"name", "budget"}, {"value", "300"}};
    case AdminMethod::kSetProfile:
      return {{"profile", "trusted"}};
    case AdminMethod::kLoadPolicy:
      return {{"path", "/policy"}, {"file_descriptor", 0}};
    default:
      return nlohmann::ordered_json::object();
  }
}

// A client of pvschedd's sockets that is not pvschedctl. A connection makes one call.
class AdminCall {
 public:
  explicit AdminCall(const std::string& socket) {
    EXPECT_GE(sd_varlink_connect_address(&link_, socket.c_str()), 0) << socket;
    sd_varlink_set_userdata(link_, this);
    sd_varlink_bind_reply(link_, OnReply);
  }
  ~AdminCall() { sd_varlink_close_unref(link_); }
  AdminCall(const AdminCall&) = delete;
  AdminCall& operator=(const AdminCall&) = delete;

  // With the next call.
  void PassFile(int fd) {
    sd_varlink_set_allow_fd_passing_output(link_, true);
    EXPECT_EQ(sd_varlink_push_dup_fd(link_, fd), 0);
  }

  // The name of the error; empty: none.
  std::string Error(absl::string_view method, const nlohmann::ordered_json& parameters) {
    const std::string name = absl::StrCat(PVSCHED_ADMIN_INTERFACE ".", method);
    const Variant variant = ToVariant(parameters);
    EXPECT_GE(method == "Trace" ? sd_varlink_observe(link_, name.c_str(), variant.get())
                                : sd_varlink_invoke(link_, name.c_str(), variant.get()),
              0);
    while (!is_done_) {
      if (sd_varlink_process(link_) == 0) sd_varlink_wait(link_, UINT64_MAX);
    }
    return error_;
  }
  // Of the result, or of the error.
  const nlohmann::ordered_json& parameters() const { return parameters_; }

 private:
  static int OnReply(sd_varlink*, sd_json_variant* parameters, const char* error,
                     sd_varlink_reply_flags_t, void* self) {
    AdminCall& call = *static_cast<AdminCall*>(self);
    call.parameters_ = FromVariant(parameters);
    if (error != nullptr) call.error_ = error;
    call.is_done_ = true;
    return 0;
  }

  sd_varlink* link_ = nullptr;
  bool is_done_ = false;
  std::string error_;
  nlohmann::ordered_json parameters_;
};

}  // namespace pvsched

#endif  // PVSCHED_TESTS_NATIVE_ADMIN_CALL_H_
