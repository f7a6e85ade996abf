// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/scx_support.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/loader/topology.h"

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#define PR_SCHED_CORE_GET 0
#endif

namespace pvsched {
namespace {

struct BtfDeleter {
  void operator()(btf* b) const { btf__free(b); }
};
using BtfPtr = std::unique_ptr<btf, BtfDeleter>;

BtfPtr KernelBtf() { return BtfPtr(btf__load_vmlinux_btf()); }

std::string ReadLine(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

const btf_type* FindFunctionProto(const btf& b, const char* name) {
  const int id = btf__find_by_name_kind(&b, name, BTF_KIND_FUNC);
  if (id < 0) return nullptr;
  return btf__type_by_id(&b, btf__type_by_id(&b, static_cast<__u32>(id))->type);
}

// A thread of the host that has a cookie; 0: none.
pid_t ThreadWithCookie() {
  std::error_code error;
  for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(process.path().filename().string(), &pid)) continue;
    for (const auto& thread : std::filesystem::directory_iterator(process.path() / "task", error)) {
      pid_t tid = 0;
      if (absl::SimpleAtoi(thread.path().filename().string(), &tid) && HasCoreCookie(tid)) {
        return tid;
      }
    }
  }
  return 0;
}

}  // namespace

bool HasSmt() { return ReadLine("/sys/devices/system/cpu/smt/active") == "1"; }

bool HasCoreCookie(pid_t tid) {
  unsigned long cookie = 0;
  return prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, tid, 0 /* PIDTYPE_PID: this thread */, &cookie) ==
             0 &&
         cookie != 0;
}

absl::Status CheckScxBtf(const btf& kernel) {
  if (btf__find_by_name_kind(&kernel, "sched_ext_ops", BTF_KIND_STRUCT) < 0) {
    return absl::FailedPreconditionError(
        "this kernel has no sched_ext: it needs CONFIG_SCHED_CLASS_EXT");
  }
  // Debian's 7.2.12 has BTF in which a hidden argument looks like one that callers pass. libbpf
  // then refuses every scheduler.
  for (const char* name : {"scx_bpf_create_dsq", "scx_bpf_kick_cpu", "scx_bpf_pick_idle_cpu"}) {
    const btf_type* proto = FindFunctionProto(kernel, name);
    if (proto == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat("this kernel's sched_ext has no ", name,
                                                        "(): this pvsched does not support it"));
    }
    const btf_param* params = btf_params(proto);
    for (int i = 0; i < btf_vlen(proto); ++i) {
      if (strcmp(btf__name_by_offset(&kernel, params[i].name_off), "aux") != 0) continue;
      if (FindFunctionProto(kernel, absl::StrCat(name, "_impl").c_str()) != nullptr) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("this kernel's BTF is broken (", name, "() shows its hidden argument): no ",
                       "sched_ext scheduler loads on it; boot another version"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckScxSupport() {
  const BtfPtr kernel = KernelBtf();
  if (kernel == nullptr) return absl::FailedPreconditionError("this kernel has no BTF");
  if (absl::Status status = CheckScxBtf(*kernel); !status.ok()) return status;
  if (const std::string state = ReadLine("/sys/kernel/sched_ext/state");
      !state.empty() && state != "disabled") {
    return absl::FailedPreconditionError(absl::StrCat("another sched_ext scheduler runs (",
                                                      ReadLine("/sys/kernel/sched_ext/root/ops"),
                                                      "): stop it first"));
  }
  RETURN_IF_ERROR(ReadTopology("/sys").status());
  if (!HasSmt()) return absl::OkStatus();
  if (const pid_t tid = ThreadWithCookie(); tid != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "thread ", tid, " has a core-scheduling cookie, which under sched_ext can hang a host ",
        "with SMT: have its VMM set none (Cloud Hypervisor: --cpus core_scheduling=off), or ",
        "switch SMT off"));
  }
  return absl::OkStatus();
}

uint64_t ScxOpsFlag(const btf& kernel, std::string_view name) {
  auto is_named = [&](__u32 offset) { return name == btf__name_by_offset(&kernel, offset); };
  // The enum has 64-bit values in kernels with flags above bit 31.
  if (const int id = btf__find_by_name_kind(&kernel, "scx_ops_flags", BTF_KIND_ENUM64); id >= 0) {
    const btf_type* flags = btf__type_by_id(&kernel, static_cast<__u32>(id));
    for (const auto& flag : std::span(btf_enum64(flags), btf_vlen(flags))) {
      if (is_named(flag.name_off)) return btf_enum64_value(&flag);
    }
  }
  if (const int id = btf__find_by_name_kind(&kernel, "scx_ops_flags", BTF_KIND_ENUM); id >= 0) {
    const btf_type* flags = btf__type_by_id(&kernel, static_cast<__u32>(id));
    for (const auto& flag : std::span(btf_enum(flags), btf_vlen(flags))) {
      if (is_named(flag.name_off)) return static_cast<uint64_t>(flag.val);
    }
  }
  return 0;
}

uint64_t ScxOpsFlag(std::string_view name) {
  const BtfPtr kernel = KernelBtf();
  return kernel == nullptr ? 0 : ScxOpsFlag(*kernel, name);
}

absl::Status AddOpsFlags(bpf_map& scheduler, const btf& object, uint64_t flags) {
  const int id = btf__find_by_name_kind(&object, "sched_ext_ops", BTF_KIND_STRUCT);
  size_t size = 0;
  auto* value = static_cast<char*>(bpf_map__initial_value(&scheduler, &size));
  if (id >= 0 && value != nullptr) {
    const btf_type* ops = btf__type_by_id(&object, static_cast<__u32>(id));
    for (const btf_member& member : std::span(btf_members(ops), btf_vlen(ops))) {
      const size_t offset = member.offset / 8;
      uint64_t field = 0;
      if (strcmp(btf__name_by_offset(&object, member.name_off), "flags") != 0) continue;
      if (offset + sizeof(field) > size) break;
      memcpy(&field, value + offset, sizeof(field));
      field |= flags;
      memcpy(value + offset, &field, sizeof(field));
      return absl::OkStatus();
    }
  }
  return absl::InternalError("the BPF object's scheduler has no flags");
}

std::vector<std::string> DropUnknownCallbacks(bpf_map& scheduler, const btf& object) {
  std::vector<std::string> dropped;
  const BtfPtr kernel = KernelBtf();
  const int theirs_id =
      kernel == nullptr ? -1
                        : btf__find_by_name_kind(kernel.get(), "sched_ext_ops", BTF_KIND_STRUCT);
  const int ours_id = btf__find_by_name_kind(&object, "sched_ext_ops", BTF_KIND_STRUCT);
  size_t size = 0;
  auto* value = static_cast<char*>(bpf_map__initial_value(&scheduler, &size));
  if (theirs_id < 0 || ours_id < 0 || value == nullptr) return dropped;
  const btf_type* theirs = btf__type_by_id(kernel.get(), static_cast<__u32>(theirs_id));
  const btf_type* ours = btf__type_by_id(&object, static_cast<__u32>(ours_id));
  const btf_member* members = btf_members(ours);
  const btf_member* known = btf_members(theirs);
  for (int i = 0; i < btf_vlen(ours); ++i) {
    const char* name = btf__name_by_offset(&object, members[i].name_off);
    bool is_known = false;
    for (int j = 0; j < btf_vlen(theirs) && !is_known; ++j) {
      is_known = strcmp(btf__name_by_offset(kernel.get(), known[j].name_off), name) == 0;
    }
    // Callbacks are pointers. Every kernel has the other fields that we set.
    const size_t offset = members[i].offset / 8;
    void* callback = nullptr;
    if (is_known || offset + sizeof(callback) > size) continue;
    memcpy(static_cast<void*>(&callback), value + offset, sizeof(callback));
    if (callback == nullptr) continue;
    memset(value + offset, 0, sizeof(callback));
    dropped.emplace_back(name);
  }
  return dropped;
}

}  // namespace pvsched
