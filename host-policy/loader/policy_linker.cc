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

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/libbpf_log.h"
#include "common/unique_fd.h"

namespace pvsched {
namespace {

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

absl::Status CheckIsPolicy(const std::string& file, const std::string& name) {
  struct stat info;
  if (stat(file.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read the policy ", name));
  }
  const std::unique_ptr<btf, void (*)(btf*)> types(btf__parse(file.c_str(), nullptr), btf__free);
  if (types == nullptr || btf__find_by_name_kind(types.get(), "pvs_policy", BTF_KIND_FUNC) < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        " is no policy: a policy is a BPF object, compiled with -g, that defines pvs_policy()"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> LinkPolicy(absl::string_view own, const std::string& file,
                                       const std::string& name) {
  if (absl::Status status = CheckIsPolicy(file, name); !status.ok()) return status;
  absl::StatusOr<UniqueFd> own_file = MemoryFile(own);
  if (!own_file.ok()) return own_file.status();
  absl::StatusOr<UniqueFd> linked = MemoryFile("");
  if (!linked.ok()) return linked.status();

  TakeLibbpfLog();
  const std::unique_ptr<bpf_linker, void (*)(bpf_linker*)> linker(
      bpf_linker__new(PathOf(*linked).c_str(), nullptr), bpf_linker__free);
  if (linker == nullptr || bpf_linker__add_file(linker.get(), PathOf(*own_file).c_str(), nullptr) ||
      bpf_linker__add_file(linker.get(), file.c_str(), nullptr) ||
      bpf_linker__finalize(linker.get())) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot link the policy ", name, ":\n", TakeLibbpfLog()));
  }
  std::string bytes;
  char chunk[65536];
  ssize_t size;
  for (off_t offset = 0; (size = pread(linked->get(), chunk, sizeof(chunk), offset)) > 0;
       offset += size) {
    bytes.append(chunk, static_cast<size_t>(size));
  }
  return bytes;
}

}  // namespace pvsched
