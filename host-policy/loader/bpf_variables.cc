// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/bpf_variables.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace pvsched {
namespace {

// The types whose instances libbpf finds through modifiers: `const volatile __u32`.
const btf_type* WithoutModifiers(const btf& types, uint32_t id) {
  const btf_type* type = btf__type_by_id(&types, id);
  while (btf_is_mod(type) || btf_is_typedef(type)) type = btf__type_by_id(&types, type->type);
  return type;
}

void AppendVariables(const bpf_object& object, const btf_type& section,
                     std::vector<BpfVariable>& variables) {
  const btf& types = *bpf_object__btf(&object);
  bpf_map* map =
      bpf_object__find_map_by_name(&object, btf__name_by_offset(&types, section.name_off));
  if (map == nullptr) return;  // of .maps, .ksyms or another section without variables
  for (const btf_var_secinfo& info : std::span(btf_var_secinfos(&section), btf_vlen(&section))) {
    const btf_type* variable = btf__type_by_id(&types, info.type);
    if (!btf_is_var(variable)) continue;
    const btf_type* type = WithoutModifiers(types, variable->type);
    variables.push_back(
        {.name = btf__name_by_offset(&types, variable->name_off),
         .map = map,
         .offset = info.offset,
         .size = info.size,
         .is_signed = btf_is_int(type) && (btf_int_encoding(type) & BTF_INT_SIGNED) != 0});
  }
}

// An integer variable's bytes before the load; null if they are not all in its map.
absl::StatusOr<void*> InitialBytes(const BpfVariable& variable) {
  size_t size = 0;
  auto* data = static_cast<char*>(bpf_map__initial_value(variable.map, &size));
  if (data == nullptr || variable.offset + variable.size > size ||
      variable.size > sizeof(int64_t)) {
    return absl::InternalError(
        absl::StrCat("the BPF variable ", variable.name, " is no integer with a value"));
  }
  return static_cast<void*>(data + variable.offset);
}

}  // namespace

void BpfObjectDeleter::operator()(bpf_object* object) const { bpf_object__close(object); }

void BpfLinkDeleter::operator()(bpf_link* link) const { bpf_link__destroy(link); }

BpfObjectPtr OpenBpfObject(absl::string_view bytes) {
  // The kernel shows this name; without one libbpf makes one up from the address.
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "pvsched");
  return BpfObjectPtr(bpf_object__open_mem(bytes.data(), bytes.size(), &options));
}

std::vector<BpfVariable> BpfVariables(const bpf_object& object) {
  std::vector<BpfVariable> variables;
  const btf* types = bpf_object__btf(&object);
  if (types == nullptr) return variables;
  for (uint32_t id = 1; id < btf__type_cnt(types); ++id) {
    const btf_type* type = btf__type_by_id(types, id);
    if (btf_is_datasec(type)) AppendVariables(object, *type, variables);
  }
  return variables;
}

absl::StatusOr<BpfVariable> FindBpfVariable(const bpf_object& object, absl::string_view name) {
  for (BpfVariable& variable : BpfVariables(object)) {
    if (variable.name == name) return std::move(variable);
  }
  return absl::NotFoundError(absl::StrCat("the BPF object has no variable ", name));
}

absl::StatusOr<int64_t> InitialValue(const bpf_object& object, absl::string_view name) {
  absl::StatusOr<BpfVariable> variable = FindBpfVariable(object, name);
  if (!variable.ok()) return variable.status();
  absl::StatusOr<void*> bytes = InitialBytes(*variable);
  if (!bytes.ok()) return bytes.status();
  uint64_t value = 0;  // little-endian, as BPF is on this host
  memcpy(&value, *bytes, variable->size);
  const size_t unused_bits = 64 - 8 * variable->size;
  const auto shifted = static_cast<int64_t>(value << unused_bits);
  return variable->is_signed ? shifted >> unused_bits : static_cast<int64_t>(value);
}

absl::Status SetInitialValue(const bpf_object& object, absl::string_view name, int64_t value) {
  absl::StatusOr<BpfVariable> variable = FindBpfVariable(object, name);
  if (!variable.ok()) return variable.status();
  absl::StatusOr<void*> bytes = InitialBytes(*variable);
  if (!bytes.ok()) return bytes.status();
  memcpy(*bytes, &value, variable->size);
  return absl::OkStatus();
}

absl::Status SetInitialBytes(const bpf_object& object, absl::string_view name,
                             std::span<const std::byte> bytes) {
  absl::StatusOr<BpfVariable> variable = FindBpfVariable(object, name);
  if (!variable.ok()) return variable.status();
  size_t size = 0;
  auto* data = static_cast<char*>(bpf_map__initial_value(variable->map, &size));
  if (data == nullptr || variable->size != bytes.size() || variable->offset + bytes.size() > size) {
    return absl::InternalError(
        absl::StrCat("the BPF variable ", name, " does not have ", bytes.size(), " bytes"));
  }
  memcpy(data + variable->offset, bytes.data(), bytes.size());
  return absl::OkStatus();
}

MappedMap::~MappedMap() {
  if (address_ != nullptr) munmap(address_, size_);
}

absl::StatusOr<MappedMap> MappedMap::Map(const bpf_map& map, int prot) {
  MappedMap mapped;
  // The kernel rounds each entry up to 8 bytes; a mapping rounds up to pages by itself.
  mapped.size_ = (size_t{bpf_map__value_size(&map)} + 7) / 8 * 8 * bpf_map__max_entries(&map);
  void* address = mmap(nullptr, mapped.size_, prot, MAP_SHARED, bpf_map__fd(&map), 0);
  if (address == MAP_FAILED) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot map the BPF map ", bpf_map__name(&map)));
  }
  mapped.address_ = address;
  return mapped;
}

absl::StatusOr<SharedVariables> SharedVariables::Map(const bpf_object& object) {
  const bpf_map* map = bpf_object__find_map_by_name(&object, kOwnVariables);
  if (map == nullptr) return absl::InternalError("the BPF object has no variables");
  absl::StatusOr<MappedMap> own = MappedMap::Map(*map, PROT_READ | PROT_WRITE);
  if (!own.ok()) return own.status();
  SharedVariables shared;
  shared.own_ = *std::move(own);
  return shared;
}

void* SharedVariables::Find(const bpf_object& object, absl::string_view name, size_t size) const {
  const absl::StatusOr<BpfVariable> variable = FindBpfVariable(object, name);
  if (!variable.ok() || variable->map != bpf_object__find_map_by_name(&object, kOwnVariables) ||
      variable->size != size || variable->offset + size > own_.size()) {
    return nullptr;
  }
  return static_cast<char*>(own_.address()) + variable->offset;
}

}  // namespace pvsched
