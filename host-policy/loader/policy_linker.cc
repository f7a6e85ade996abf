// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/policy_linker.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/libbpf_log.h"
#include "common/unique_fd.h"
#include "host-policy/loader/policy_layout.h"

namespace pvsched {
namespace {

constexpr absl::string_view kNameIsTaken =
    "pvsched's own programs have a variable, map or function of this name: rename the policy's";

// libbpf's linker reads and writes files. A memfd is a file without a name.
absl::StatusOr<UniqueFd> MemoryFile(absl::string_view content) {
  UniqueFd fd(memfd_create("pvsched-policy", MFD_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, "memfd_create");
  while (!content.empty()) {
    const ssize_t size = write(fd.get(), content.data(), content.size());
    if (size < 0) return absl::ErrnoToStatus(errno, "memfd");
    content.remove_prefix(static_cast<size_t>(size));
  }
  return fd;
}

std::string PathOf(const UniqueFd& fd) { return absl::StrCat("/proc/self/fd/", fd.get()); }

// A policy may name kernel functions and variables only, never what pvsched's own object defines.
bool IsOfTheKernel(const btf& types, const btf_type& section) {
  const absl::string_view name = btf__name_by_offset(&types, section.name_off);
  return name == ".ksyms" || name == ".kconfig";
}

// The first function or variable that the policy declares and does not define, and that is not
// the kernel's. Empty: there is none.
std::string ForeignSymbol(const btf& types) {
  std::set<uint32_t> of_the_kernel;
  for (uint32_t id = 1; id < btf__type_cnt(&types); ++id) {
    const btf_type* type = btf__type_by_id(&types, id);
    if (!btf_is_datasec(type) || !IsOfTheKernel(types, *type)) continue;
    for (const btf_var_secinfo& info : std::span(btf_var_secinfos(type), btf_vlen(type))) {
      of_the_kernel.insert(info.type);
    }
  }
  for (uint32_t id = 1; id < btf__type_cnt(&types); ++id) {
    const btf_type* type = btf__type_by_id(&types, id);
    const bool is_extern = (btf_is_var(type) && btf_var(type)->linkage == BTF_VAR_GLOBAL_EXTERN) ||
                           (btf_is_func(type) && btf_vlen(type) == BTF_FUNC_EXTERN);
    if (is_extern && !of_the_kernel.contains(id)) {
      return btf__name_by_offset(&types, type->name_off);
    }
  }
  return "";
}

using BtfPtr = std::unique_ptr<btf, void (*)(btf*)>;

BtfPtr ReadTypes(const std::string& file) { return {btf__parse(file.c_str(), nullptr), btf__free}; }

// `own_file` is pvsched's own object.
absl::Status CheckIsPolicy(const std::string& file, const std::string& name,
                           const std::string& own_file) {
  struct stat info;
  if (stat(file.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read the policy ", name));
  }
  const BtfPtr types = ReadTypes(file);
  if (types == nullptr || btf__find_by_name_kind(types.get(), "pvs_policy", BTF_KIND_FUNC) < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        " is no policy: a policy is a BPF object, compiled with -g, that defines pvs_policy()"));
  }
  if (const std::string symbol = ForeignSymbol(*types); !symbol.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the policy ", name, " uses ", symbol,
                     ", which it does not define: a policy may use what its headers define and "
                     "the kernel's own functions (__ksym), and nothing of pvsched's programs"));
  }
  const BtfPtr own = ReadTypes(own_file);
  if (own == nullptr) return absl::InternalError("pvsched's BPF object has no BTF");
  if (const absl::Status status = CheckViewLayout(*types, *own); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the policy ", name, ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> LinkPolicy(absl::string_view own, const std::string& file,
                                       const std::string& name) {
  ASSIGN_OR_RETURN(const UniqueFd own_file, MemoryFile(own));
  RETURN_IF_ERROR(CheckIsPolicy(file, name, PathOf(own_file)));
  ASSIGN_OR_RETURN(const UniqueFd linked, MemoryFile(""));

  TakeLibbpfLog();
  const std::unique_ptr<bpf_linker, void (*)(bpf_linker*)> linker(
      bpf_linker__new(PathOf(linked).c_str(), nullptr), bpf_linker__free);
  if (linker == nullptr || bpf_linker__add_file(linker.get(), PathOf(own_file).c_str(), nullptr) ||
      bpf_linker__add_file(linker.get(), file.c_str(), nullptr) ||
      bpf_linker__finalize(linker.get())) {
    const std::string log = TakeLibbpfLog();
    return absl::InvalidArgumentError(
        absl::StrCat("cannot link the policy ", name, ":\n", log,
                     absl::StrContains(log, "conflicting") ? kNameIsTaken : ""));
  }
  std::string bytes;
  char chunk[65536];
  ssize_t size;
  for (off_t offset = 0; (size = pread(linked.get(), chunk, sizeof(chunk), offset)) > 0;
       offset += size) {
    bytes.append(chunk, static_cast<size_t>(size));
  }
  return bytes;
}

}  // namespace pvsched
