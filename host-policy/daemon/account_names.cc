// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/account_names.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"

namespace pvsched {
namespace {

constexpr size_t kMaxEntry = size_t{1} << 20;  // of the user database

// The field of the entry that `get` finds, such as getpwnam_r() and pw_uid.
template <typename Entry, typename Get>
absl::StatusOr<uint32_t> Find(const char* kind, const std::string& name, Get get,
                              uint32_t Entry::* field) {
  std::vector<char> buffer(1024);
  Entry entry = {};
  Entry* found = nullptr;
  int error = 0;
  while ((error = get(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) == ERANGE &&
         buffer.size() < kMaxEntry) {
    buffer.resize(buffer.size() * 2);
  }
  if (found != nullptr) return found->*field;
  // Some databases report an unknown name as one of these errors.
  if (error == 0 || error == ENOENT || error == ESRCH) {
    return absl::NotFoundError(absl::StrCat("this host has no ", kind, " '", name, "'"));
  }
  return ErrnoStatus(error, absl::StrCat("cannot look up the ", kind, " '", name, "'"));
}

// The highest value means "no change" to system calls.
absl::StatusOr<uint32_t> ParseId(const char* kind, const std::string& text) {
  uint32_t id = 0;
  if (absl::SimpleAtoi(text, &id) && id != std::numeric_limits<uint32_t>::max()) return id;
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no ", kind, " id"));
}

bool IsNumber(const std::string& text) {
  return text.find_first_not_of("0123456789+-") == std::string::npos;
}

}  // namespace

absl::StatusOr<uid_t> FindUser(const std::string& text) {
  if (IsNumber(text)) return ParseId("user", text);
  return Find("user", text, getpwnam_r, &passwd::pw_uid);
}

absl::StatusOr<gid_t> FindGroup(const std::string& text) {
  if (IsNumber(text)) return ParseId("group", text);
  return Find("group", text, getgrnam_r, &group::gr_gid);
}

}  // namespace pvsched
