// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#ifndef PVSCHED_HOST_POLICY_LOADER_BPF_VARIABLES_H_
#define PVSCHED_HOST_POLICY_LOADER_BPF_VARIABLES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct bpf_link;
struct bpf_map;
struct bpf_object;

namespace pvsched {

struct BpfObjectDeleter {
  void operator()(bpf_object* object) const;
};
using BpfObjectPtr = std::unique_ptr<bpf_object, BpfObjectDeleter>;

struct BpfLinkDeleter {
  void operator()(bpf_link* link) const;
};
using BpfLinkPtr = std::unique_ptr<bpf_link, BpfLinkDeleter>;

// Opens an object; libbpf copies `bytes`. Null: libbpf refused them, and its log says why.
BpfObjectPtr OpenBpfObject(absl::string_view bytes);

// A global variable of an opened object: its place in the map of its data section.
struct BpfVariable {
  std::string name;
  bpf_map* map = nullptr;
  size_t offset = 0;
  size_t size = 0;
  bool is_signed = false;
};

// Finds variables by the BTF of the object's data sections.
std::vector<BpfVariable> BpfVariables(const bpf_object& object);
absl::StatusOr<BpfVariable> FindBpfVariable(const bpf_object& object, absl::string_view name);

// An integer's value before the object is loaded. A constant changes in no other way.
absl::StatusOr<int64_t> InitialValue(const bpf_object& object, absl::string_view name);
absl::Status SetInitialValue(const bpf_object& object, absl::string_view name, int64_t value);
// The same for a variable of any type, of the size of `bytes`.
absl::Status SetInitialBytes(const bpf_object& object, absl::string_view name,
                             std::span<const std::byte> bytes);

// The value of a map that user space may map (BPF_F_MMAPABLE), shared with the programs.
class MappedMap {
 public:
  MappedMap() = default;
  MappedMap(MappedMap&& other) noexcept { *this = std::move(other); }
  MappedMap& operator=(MappedMap&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedMap();

  // Maps all entries of a loaded object's map. `prot` as of mmap(2).
  static absl::StatusOr<MappedMap> Map(const bpf_map& map, int prot);

  explicit operator bool() const { return address_ != nullptr; }
  void* address() const { return address_; }
  size_t size() const { return size_; }

 private:
  void* address_ = nullptr;
  size_t size_ = 0;
};

// The section of pvsched's own variables. A policy's variables are in other sections.
inline constexpr char kOwnVariables[] = ".bss.pvs";

// pvsched's own variables, which programs and pvschedd change while the programs run.
class SharedVariables {
 public:
  static absl::StatusOr<SharedVariables> Map(const bpf_object& object);

  // Null if `object` has no such variable among its own, or one of another size.
  template <typename T>
  T* Find(const bpf_object& object, absl::string_view name) const {
    return static_cast<T*>(Find(object, name, sizeof(T)));
  }

  explicit operator bool() const { return static_cast<bool>(own_); }

 private:
  void* Find(const bpf_object& object, absl::string_view name, size_t size) const;
  MappedMap own_;
};

}  // namespace pvsched

#endif  // PVSCHED_HOST_POLICY_LOADER_BPF_VARIABLES_H_
