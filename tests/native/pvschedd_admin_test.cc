// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// io.pvsched.Admin as another client than pvschedctl sees it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <systemd/sd-varlink-idl.h>
#include <unistd.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/daemon/admin_methods.h"
#include "tests/native/admin_call.h"
#include "tests/native/pvschedd_fixture.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::ordered_json;

std::string Mismatch(const sd_varlink_symbol& symbol, const Json& json,
                     sd_varlink_field_direction_t direction);

std::string MismatchOfValue(const sd_varlink_field& field, const Json& value) {
  switch (field.field_type) {
    case SD_VARLINK_NAMED_TYPE:
      return Mismatch(*field.symbol, value, SD_VARLINK_REGULAR);
    case SD_VARLINK_BOOL:
      return value.is_boolean() ? "" : "no bool";
    case SD_VARLINK_INT:
      return value.is_number_integer() ? "" : "no int";
    case SD_VARLINK_STRING:
      return value.is_string() ? "" : "no string";
    default:
      return "unknown type";
  }
}

std::string MismatchOfField(const sd_varlink_field& field, const Json& json) {
  const Json value = json.value(field.name, Json());
  if (value.is_null()) return (field.field_flags & SD_VARLINK_NULLABLE) != 0 ? "" : "missing";
  if ((field.field_flags & (SD_VARLINK_ARRAY | SD_VARLINK_MAP)) == 0) {
    return MismatchOfValue(field, value);
  }
  if (value.is_array() != ((field.field_flags & SD_VARLINK_ARRAY) != 0)) return "no list or map";
  for (const Json& entry : value) {
    if (std::string why = MismatchOfValue(field, entry); !why.empty()) return why;
  }
  return "";
}

// Where `json` is not as the interface says; empty: nowhere.
std::string Mismatch(const sd_varlink_symbol& symbol, const Json& json,
                     sd_varlink_field_direction_t direction) {
  std::set<std::string> names;
  const sd_varlink_field* field = symbol.fields;
  for (; field->field_type != _SD_VARLINK_FIELD_TYPE_END_MARKER; ++field) {
    if (field->field_type == _SD_VARLINK_FIELD_COMMENT) continue;
    if (field->field_type == SD_VARLINK_ENUM_VALUE) {
      if (json == field->name) return "";
      continue;
    }
    if (field->field_direction != direction) continue;
    names.insert(field->name);
    const std::string why = MismatchOfField(*field, json);
    if (!why.empty()) return absl::StrCat(field->name, ": ", why);
  }
  if (!json.is_object()) return absl::StrCat("not in the enum: ", json.dump());
  for (const auto& [name, value] : json.items()) {
    if (!names.contains(name)) return absl::StrCat(name, ": not in the interface");
  }
  return "";
}

const sd_varlink_symbol& Symbol(absl::string_view name) {
  const sd_varlink_symbol* const* symbol = vl_interface_io_pvsched_Admin.symbols;
  while ((*symbol)->name != name) ++symbol;
  return **symbol;
}

class PvscheddAdminTest : public PvscheddTest {
 protected:
  // Expects this error with parameters as in the interface, and returns them.
  Json ExpectError(const std::string& error, absl::string_view method, const Json& parameters) {
    AdminCall call(daemon_.path("admin.sock"));
    EXPECT_EQ(call.Error(method, parameters), absl::StrCat(PVSCHED_ADMIN_INTERFACE ".", error));
    EXPECT_THAT(Mismatch(Symbol(error), call.parameters(), SD_VARLINK_REGULAR), IsEmpty());
    return call.parameters();
  }
};

TEST_F(PvscheddAdminTest, RepliesAreAsTheInterfaceSays) {
  // A vCPU without a thread, too: of a second VM in the process, which does not run.
  auto other = MiniVm::Create(8);
  ASSERT_TRUE(other.ok());
  const auto connection = ConnectAndBind();
  ASSERT_EQ(connection->Register(7, vm_->memory(), MiniVm::record_offset(0)), 0);
  for (const AdminMethodInfo& info : kAdminMethods) {
    if (info.method == AdminMethod::kLoadPolicy) continue;
    AdminCall call(daemon_.path("admin.sock"));
    EXPECT_THAT(call.Error(info.name, ValidParameters(info.method)), IsEmpty()) << info.name;
    EXPECT_THAT(Mismatch(Symbol(info.name), call.parameters(), SD_VARLINK_OUTPUT), IsEmpty())
        << info.name << ": " << call.parameters().dump(2);
  }
}

TEST_F(PvscheddAdminTest, ErrorsHaveANameParametersAndAMessage) {
  Json error = ExpectError("NoSuchVm", "ListTunables", {{"vm", "unknown"}});
  EXPECT_EQ(error["vm"], "unknown");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("pvschedctl vm list"));
  error = ExpectError("NoSuchTunable", "SetTunable", {{"name", "colour"}, {"value", "1"}});
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("budget"));
  error = ExpectError("InvalidValue", "SetTunable", {{"name", "budget"}, {"value", "5000000"}});
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(error["maximum"].dump()));
  error = ExpectError("InvalidValue", "SetTunable", {{"name", "log-level"}, {"value", "loud"}});
  EXPECT_GT(error["choices"].size(), 1u);
  ExpectError("HostOnly", "SetTunable", {{"name", "log-level"}, {"value", "info"}, {"uid", 1}});
  ExpectError("RuleBroken", "SetTunable", {{"name", "window"}, {"value", "100"}});
  ExpectError("NoSuchProfile", "SetProfile", {{"profile", "colour"}});
  ExpectError("Refused", "ListTunables", {{"uid", -1}});
  ExpectError("Refused", "ListTunables", {{"vm", "a"}, {"uid", 1}});
}

TEST_F(PvscheddAdminTest, ParametersThatTheInterfaceLacksAreRefused) {
  for (const Json& parameters : {Json{{"colour", 1}}, Json{{"vm", 1}}, Json{{"uid", "root"}}}) {
    AdminCall call(daemon_.path("admin.sock"));
    const std::string error = call.Error("ListTunables", parameters);
    EXPECT_THAT(error,
                testing::AnyOf("org.varlink.service.InvalidParameter", "io.pvsched.Admin.Refused"))
        << parameters;
  }
}

TEST_F(PvscheddAdminTest, PolicyIsAMemfdThatTheCallCarries) {
  const Json parameters = ValidParameters(AdminMethod::kLoadPolicy);
  ExpectError("PolicyRefused", "LoadPolicy", parameters);
  ExpectError("PolicyRefused", "LoadPolicy", {{"path", "/policy"}, {"file_descriptor", -1}});
  const auto load = [&](const char* path) {
    const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
    AdminCall call(daemon_.path("admin.sock"));
    call.PassFile(file.get());
    return call.Error("LoadPolicy", parameters);
  };
  EXPECT_EQ(load("/tmp"), "io.pvsched.Admin.PolicyRefused");
  EXPECT_EQ(load("/dev/zero"), "io.pvsched.Admin.PolicyRefused");
  EXPECT_EQ(load(PVSCHED_POLICIES "/by_weight.bpf.o"), "io.pvsched.Admin.PolicyRefused");
  const auto load_content = [&](const char* path) {
    const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
    const UniqueFd memory(memfd_create("policy", MFD_CLOEXEC));
    EXPECT_GT(sendfile(memory.get(), file.get(), nullptr, size_t{1} << 30), 0);
    AdminCall call(daemon_.path("admin.sock"));
    call.PassFile(memory.get());
    return call.Error("LoadPolicy", parameters);
  };
  EXPECT_EQ(load_content("/etc/passwd"), "io.pvsched.Admin.PolicyRefused");
  EXPECT_EQ(load_content(PVSCHED_POLICIES "/by_weight.bpf.o"), "");
  EXPECT_EQ(daemon_.Ctl("policy show")["policy"], "/policy");
}

TEST_F(PvscheddAdminTest, ClientsLeaveNothingBehind) {
  daemon_.Ctl("stats");
  const size_t before = OpenDescriptors(daemon_.pid());
  for (int i = 0; i < 50; ++i) {
    AdminCall call(daemon_.path("admin.sock"));
    call.PassFile(STDERR_FILENO);
    EXPECT_THAT(call.Error(i % 2 == 0 ? "Trace" : "ListVms", Json::object()), IsEmpty());
  }
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors(daemon_.pid()) <= before; }));
}

TEST_F(PvscheddAdminTest, TracesAreLimited) {
  const std::string socket = daemon_.path("admin.sock");
  AdminCall first(socket), second(socket), third(socket), fourth(socket);
  for (AdminCall* call : {&first, &second, &third, &fourth}) {
    EXPECT_THAT(call->Error("Trace", Json::object()), IsEmpty());
  }
  EXPECT_EQ(ExpectError("TooManyTraces", "Trace", Json::object())["limit"], 4);
}

}  // namespace
}  // namespace pvsched
