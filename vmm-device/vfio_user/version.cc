// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/vfio_user/version.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "vmm-device/memory_map.h"
#include "vmm-device/vfio_user/protocol.h"

namespace pvsched {
namespace {

using nlohmann::json;
using vfio_user::Version;

// Limits the memory that parsed JSON takes. QEMU sends some 200 bytes.
constexpr size_t kMaxJsonSize = 4096;
// A client that announces more descriptors a message is broken: the kernel's
// limit is 253 (SCM_MAX_FD).
constexpr uint64_t kMaxClientFds = 1024;

// Members are optional. A member of another type or value is an error.
bool AbsentOrUnsigned(const json& object, const char* key, uint64_t max = UINT64_MAX) {
  const auto it = object.find(key);
  return it == object.end() || (it->is_number_unsigned() && it->get<uint64_t>() <= max);
}

bool AbsentOrPowerOfTwo(const json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() ||
         (it->is_number_unsigned() && std::has_single_bit(it->get<uint64_t>()));
}

bool AbsentOrBool(const json& object, const char* key) {
  const auto it = object.find(key);
  return it == object.end() || it->is_boolean();
}

bool IsWellFormed(const json& version) {
  if (!version.is_object()) return false;
  const auto it = version.find("capabilities");
  if (it == version.end()) return true;
  if (!it->is_object()) return false;
  const json& capabilities = *it;
  if (!AbsentOrUnsigned(capabilities, "max_msg_fds", kMaxClientFds) ||
      !AbsentOrUnsigned(capabilities, "max_data_xfer_size") ||
      !AbsentOrUnsigned(capabilities, "max_dma_maps") ||
      !AbsentOrUnsigned(capabilities, "pgsizes") || !AbsentOrBool(capabilities, "write_multiple")) {
    return false;
  }
  const auto migration = capabilities.find("migration");
  return migration == capabilities.end() ||
         (migration->is_object() && AbsentOrPowerOfTwo(*migration, "pgsize"));
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> AnswerVersion(absl::Span<const uint8_t> request) {
  Version version;
  if (request.size() < sizeof(version))
    return absl::InvalidArgumentError("VERSION is shorter than its fixed part");
  memcpy(&version, request.data(), sizeof(version));
  if (version.major != vfio_user::kVersionMajor) {
    return absl::InvalidArgumentError(absl::StrCat("the client has vfio-user's major version ",
                                                   version.major, ", the server ",
                                                   vfio_user::kVersionMajor));
  }
  const std::string_view text(reinterpret_cast<const char*>(request.data()) + sizeof(version),
                              request.size() - sizeof(version));
  if (!text.empty()) {
    if (text.size() > kMaxJsonSize || text.back() != '\0') {
      return absl::InvalidArgumentError(
          absl::StrCat("the capabilities are longer than ", kMaxJsonSize, " bytes or lack a NUL"));
    }
    const json parsed = json::parse(text.substr(0, text.size() - 1), nullptr,
                                    /*allow_exceptions=*/false);
    if (!IsWellFormed(parsed)) {
      return absl::InvalidArgumentError(
          "the capabilities are malformed JSON or have members of a wrong type");
    }
  }

  version.minor = std::min(version.minor, vfio_user::kVersionMinor);
  const std::string full = absl::StrCat(
      R"({"capabilities":{"max_msg_fds":)", vfio_user::kMaxMessageFds, R"(,"max_data_xfer_size":)",
      vfio_user::kMaxDataSize, R"(,"max_dma_maps":)", MemoryMap::kMaxRegions, "}}");
  // The longest capabilities that the request's length allows.
  std::string_view answer;
  for (std::string_view candidate :
       {std::string_view("{}"), std::string_view(R"({"capabilities":{}})"),
        std::string_view(full)}) {
    if (candidate.size() + 1 <= text.size()) answer = candidate;
  }
  std::vector<uint8_t> reply(sizeof(version));
  memcpy(reply.data(), &version, sizeof(version));
  if (!answer.empty()) {
    reply.insert(reply.end(), answer.begin(), answer.end());
    reply.push_back('\0');
  }
  return reply;
}

}  // namespace pvsched
