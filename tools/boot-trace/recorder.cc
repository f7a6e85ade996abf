// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tools/boot-trace/recorder.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/kvm_trace_check.h"
#include "common/libbpf_log.h"
#include "pvsched_boot.skel.h"

namespace pvsched {
namespace {

constexpr char kTracing[] = "/sys/kernel/tracing";

absl::Status CheckTracepoints() {
  const std::string events = absl::StrCat(kTracing, "/events");
  if (access(events.c_str(), F_OK) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("the kernel's tracepoints are not there (",
                                                      events, "): mount -t tracefs tracefs ",
                                                      kTracing));
  }
  // /dev/kvm proves nothing: its static node exists without the module.
  if (access(absl::StrCat(events, "/kvm/kvm_exit").c_str(), F_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("KVM has no tracepoints (", events,
                     "/kvm): load kvm_amd or kvm_intel, then start pvsched-boot"));
  }
  return absl::OkStatus();
}

// Calls visit(key, value) for each entry.
template <typename Key, typename Value, typename Visit>
void ForEach(const bpf_map* map, Visit visit) {
  Key key, next;
  Value value;
  for (const Key* previous = nullptr;
       bpf_map__get_next_key(map, previous, &next, sizeof(next)) == 0; previous = &key) {
    key = next;
    if (bpf_map__lookup_elem(map, &key, sizeof(key), &value, sizeof(value), 0) == 0) {
      visit(key, value);
    }
  }
}

template <typename Key, typename Value>
void Clear(const bpf_map* map) {
  std::vector<Key> keys;
  ForEach<Key, Value>(map, [&keys](const Key& key, const Value&) { keys.push_back(key); });
  for (const Key& key : keys) bpf_map__delete_elem(map, &key, sizeof(key), 0);
}

uint64_t FirstRun(const pvs_boot_process& process) {
  return process.entered_at != 0 ? process.entered_at : process.first_exit_at;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Recorder>> Recorder::Load(uint16_t port, uint64_t value) {
  if (absl::Status status = CheckCanTrace("pvsched-boot"); !status.ok()) return status;
  if (absl::Status status = CheckTracepoints(); !status.ok()) return status;
  CaptureLibbpfLog();
  TakeLibbpfLog();
  std::unique_ptr<Recorder> recorder(new Recorder);
  recorder->skeleton_ = pvsched_boot_bpf::open();
  if (recorder->skeleton_ == nullptr) return absl::ErrnoToStatus(errno, "BPF object");
  recorder->skeleton_->rodata->mark_port = port;
  recorder->skeleton_->rodata->mark_value = value;
  int error = pvsched_boot_bpf::load(recorder->skeleton_);
  if (error == 0) error = pvsched_boot_bpf::attach(recorder->skeleton_);
  if (error != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("this kernel does not load pvsched-boot's BPF programs (", strerror(-error),
                     "):\n", TakeLibbpfLog()));
  }
  return recorder;
}

Recorder::~Recorder() { pvsched_boot_bpf::destroy(skeleton_); }

absl::Status Recorder::Follow(pid_t pid) {
  Clear<uint32_t, pvs_boot_process>(skeleton_->maps.processes);
  Clear<pvs_boot_exit, uint64_t>(skeleton_->maps.exits);
  skeleton_->bss->lost_exits = 0;
  skeleton_->bss->lost_processes = 0;
  const uint32_t tgid = static_cast<uint32_t>(pid);
  const pvs_boot_process process = {};
  const int error = bpf_map__update_elem(skeleton_->maps.processes, &tgid, sizeof(tgid), &process,
                                         sizeof(process), BPF_ANY);
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(-error, "cannot trace the command");
}

absl::StatusOr<BootRecord> Recorder::Read() const {
  BootRecord record;
  ForEach<uint32_t, pvs_boot_process>(
      skeleton_->maps.processes, [&record](uint32_t tgid, const pvs_boot_process& process) {
        if (FirstRun(process) == 0) {
          record.has_living |= kill(static_cast<pid_t>(tgid), 0) == 0;
          return;
        }
        if (record.vmms++ != 0 && FirstRun(process) >= FirstRun(record.times)) return;
        record.vmm = static_cast<pid_t>(tgid);
        record.times = process;
      });
  ForEach<pvs_boot_exit, uint64_t>(
      skeleton_->maps.exits, [&record](const pvs_boot_exit& exit, uint64_t count) {
        const BootRecord::Exit key = {static_cast<pvs_boot_exit_kind>(exit.kind), exit.reason};
        record.exits[key][exit.bucket] += count;
      });
  if (const uint64_t lost = skeleton_->bss->lost_exits; lost != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat(lost, " VM exits were not counted, the map is full: measure a shorter run"));
  }
  if (const uint64_t lost = skeleton_->bss->lost_processes; lost != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the command had more than ", PVS_BOOT_PROCESSES_MAX, " processes at once, ",
                     lost, " of them not traced: start the VMM more directly"));
  }
  return record;
}

}  // namespace pvsched
