// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// The file of baselines that a pvschedd reads at its start. Only a thread that the file names by
// tid and start time, and that still has what pvsched applied, gets parameters: its baseline.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "host-policy/bpf/intf.h"
#include "host-policy/daemon/actuators/baseline_store.h"
#include "host-policy/daemon/actuators/sched_params.h"
#include "tests/fuzz/fuzz.h"

namespace pvsched {
namespace {

// The only thread of which the kernel, which is fake here, tells parameters.
struct FakeThread {
  pid_t tid = 0;
  sched_attr params = {};
  bool is_refused = false;  // by the kernel, when they are set
  int sets = 0;
};
FakeThread thread;

using Entry = BaselineStore::Entry;

uint64_t OwnStartTime() {
  static const uint64_t start_time = ThreadStartTime(getpid()).value_or(0);
  return start_time;
}

sched_attr TakeAttr(FuzzInput& input) {
  sched_attr attr = {};
  attr.size = sizeof(attr);
  attr.sched_policy = input.Take<uint8_t>() % 8;
  attr.sched_nice = static_cast<int32_t>(input.InRange(0, 39)) - 20;
  attr.sched_priority = input.Take<uint8_t>();
  attr.sched_flags = input.Take<uint8_t>();
  attr.sched_runtime = input.Take<uint8_t>();
  return attr;
}

Entry TakeEntry(FuzzInput& input) {
  const auto flags = input.Take<uint8_t>();
  Entry entry = {};
  entry.tid = (flags & 1) != 0 ? getpid() : input.Take<int32_t>();
  entry.start_time = (flags & 2) != 0 ? OwnStartTime() : input.Take<uint64_t>();
  entry.is_applied = (flags & 4) != 0 ? 1 : input.Take<uint8_t>();
  entry.baseline = TakeAttr(input);
  entry.applied = (flags & 8) != 0 ? thread.params : TakeAttr(input);
  entry.previous = (flags & 16) != 0 ? entry.baseline : TakeAttr(input);
  return entry;
}

// The path of a file with `bytes`, which is `size` bytes long.
std::string WriteFile(FuzzInput::Bytes bytes, size_t size) {
  static const std::string path = "/tmp/pvsched-fuzz-baseline-" + std::to_string(getpid());
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  Require(
      file && ftruncate(file.get(), static_cast<off_t>(size)) == 0 &&
          pwrite(file.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
      "the file can be written");
  return path;
}

void Restore(BaselineStore& store, const std::optional<Entry>& first) {
  const int restored = store.RestoreAll();
  Require(restored == thread.sets, "the store counts what it restored");
  for (uint32_t slot = 0; slot < PVS_MAX_VCPUS; ++slot) {
    Require(store.entry(slot).tid == 0 || thread.is_refused, "an entry is freed");
  }
  if (thread.sets != 0 && first) {
    Require(first->start_time == OwnStartTime(),
            "a thread that has the tid of another one keeps its parameters");
    Require(first->is_applied != 0, "a thread without a boost keeps its parameters");
    Require(memcmp(&thread.params, &first->baseline, sizeof(sched_attr)) == 0,
            "a thread gets its baseline");
  }
  thread.sets = 0;
  thread.is_refused = false;
  store.RestoreAll();
  Require(store.RestoreAll() == 0, "nothing is restored twice");
}

}  // namespace

// In place of sched_params.cc: no thread of this machine is changed.
absl::StatusOr<sched_attr> GetSchedParams(pid_t tid) {
  if (tid != thread.tid) return absl::NotFoundError("no such thread");
  return thread.params;
}

absl::Status SetSchedParams(pid_t tid, const sched_attr& params) {
  Require(tid == thread.tid, "a thread without parameters is not changed");
  if (thread.is_refused) return absl::PermissionDeniedError("refused");
  thread.params = params;
  ++thread.sets;
  return absl::OkStatus();
}

bool IsOfBoost(const sched_attr& baseline, const sched_attr& applied, const sched_attr& current) {
  return pvs_attr_of_boost(&baseline, &applied, &current) != 0;
}

}  // namespace pvsched

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pvsched::BaselineStore;
  const pvsched::FdLeakCheck leak_check;
  pvsched::FuzzInput input(data, size);
  const auto flags = input.Take<uint8_t>();
  pvsched::thread = {
      .tid = getpid(), .params = pvsched::TakeAttr(input), .is_refused = (flags & 1) != 0};
  // What pvschedd writes, in which the input sets entries; or the input's bytes alone.
  const bool is_foreign = (flags & 2) != 0;
  const std::string path =
      is_foreign
          ? pvsched::WriteFile({data, size}, (flags & 4) != 0 ? size : input.InRange(0, 1 << 20))
          : pvsched::WriteFile({}, 0);
  absl::StatusOr<std::unique_ptr<BaselineStore>> store = BaselineStore::Open(path);
  pvsched::Require(store.ok(), "a file of any content opens");
  std::optional<BaselineStore::Entry> first;
  for (uint32_t slot = 0; !is_foreign && slot < PVS_MAX_VCPUS && !input.is_empty(); ++slot) {
    (*store)->entry(slot) = pvsched::TakeEntry(input);
    if (slot == 0 && input.is_empty()) first = (*store)->entry(0);
  }
  store->reset();
  store = BaselineStore::Open(path);
  pvsched::Require(store.ok(), "the file opens again");
  pvsched::Restore(**store, first);
  return 0;
}
