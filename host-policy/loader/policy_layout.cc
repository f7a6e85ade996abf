// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/policy_layout.h"

#include <bpf/btf.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pvsched {
namespace {

constexpr char kView[] = "pvs_view";

struct Place {
  uint32_t bit;
  int64_t size;  // of the type, in bytes
  bool operator==(const Place&) const = default;
};

// The fields of struct pvs_view by name; none if the object does not use it.
std::map<std::string, Place> ViewFields(const btf& types) {
  std::map<std::string, Place> fields;
  const int id = btf__find_by_name_kind(&types, kView, BTF_KIND_STRUCT);
  if (id < 0) return fields;
  const btf_type* view = btf__type_by_id(&types, static_cast<uint32_t>(id));
  for (uint32_t i = 0; i < btf_vlen(view); ++i) {
    const btf_member& member = btf_members(view)[i];
    fields[btf__name_by_offset(&types, member.name_off)] = {
        .bit = btf_member_bit_offset(view, i), .size = btf__resolve_size(&types, member.type)};
  }
  return fields;
}

}  // namespace

absl::Status CheckViewLayout(const btf& policy, const btf& own) {
  const std::map<std::string, Place> known = ViewFields(own);
  for (const auto& [name, place] : ViewFields(policy)) {
    const auto it = known.find(name);
    if (it != known.end() && it->second == place) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("it was compiled with another struct ", kView, ", in which the field ", name,
                     it == known.end() ? " is new" : " has another place",
                     ": compile it with the headers of this pvschedd"));
  }
  return absl::OkStatus();
}

}  // namespace pvsched
