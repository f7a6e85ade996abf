// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/actuators/baseline_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/log/log.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/errno_status.h"
#include "host-policy/bpf/intf.h"
#include "host-policy/daemon/actuators/sched_params.h"

namespace pvsched {

struct BaselineStore::File {
  uint64_t magic;
  uint64_t entry_size;
  Entry entries[PVS_MAX_VCPUS];
};

namespace {

constexpr uint64_t kMagic = 0x31656e696c657361;  // "aseline1": changes with the layout

// Returns whether the thread had parameters that pvsched had applied. NotFound:
// the thread has ended.
absl::StatusOr<bool> RestoreThread(const BaselineStore::Entry& entry) {
  ASSIGN_OR_RETURN(uint64_t start_time, ThreadStartTime(entry.tid));
  if (start_time != entry.start_time) return absl::NotFoundError("the tid was reused");
  ASSIGN_OR_RETURN(sched_attr current, GetSchedParams(entry.tid));
  if (!IsOfBoost(entry.baseline, entry.applied, current) &&
      !IsOfBoost(entry.baseline, entry.previous, current)) {
    return false;
  }
  RETURN_IF_ERROR(SetSchedParams(entry.tid, entry.baseline));
  return true;
}

}  // namespace

absl::StatusOr<uint64_t> ThreadStartTime(pid_t tid) {
  const std::string path = absl::StrCat("/proc/", tid, "/stat");
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[1024];
  const ssize_t size = fd ? read(fd.get(), text, sizeof(text)) : -1;
  // ENOENT and ESRCH map to NotFound. Other errors, such as EMFILE, do not mean
  // that the thread has ended.
  if (size < 0) return ErrnoStatus(errno, path);
  // Field 22. The fields are counted from the end of the name, field 2, because
  // a name may contain spaces and parentheses.
  const absl::string_view line(text, static_cast<size_t>(size));
  const size_t name_end = line.rfind(')');
  if (name_end == absl::string_view::npos)
    return absl::InternalError(absl::StrCat(path, " has an unknown format"));
  const std::vector<absl::string_view> fields = absl::StrSplit(line.substr(name_end + 2), ' ');
  uint64_t start_time = 0;
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[19], &start_time)) {
    return absl::InternalError(absl::StrCat(path, " has an unknown format"));
  }
  return start_time;
}

absl::StatusOr<std::unique_ptr<BaselineStore>> BaselineStore::Open(const std::string& path) {
  std::unique_ptr<BaselineStore> store(new BaselineStore);
  store->fd_ = UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!store->fd_) return ErrnoStatus(errno, absl::StrCat("cannot open ", path));
  if (flock(store->fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("another pvschedd runs: it holds ", path,
                     "; stop it first, or give this one another --state-dir"));
  }
  struct stat info;
  if (fstat(store->fd_.get(), &info) != 0) return ErrnoStatus(errno, path);
  // A file of another layout is emptied. The threads in it keep their parameters.
  const bool is_whole = info.st_size == static_cast<off_t>(sizeof(File));
  if (!is_whole && ftruncate(store->fd_.get(), 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot empty ", path));
  }
  // A full file system is an error here. Later it would be a SIGBUS at an entry.
  if (const int error = posix_fallocate(store->fd_.get(), 0, sizeof(File)); error != 0) {
    return ErrnoStatus(error, absl::StrCat("cannot reserve ", sizeof(File) / 1024, " KiB for ",
                                           path, ", which keeps the baselines of threads"));
  }
  void* address =
      mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, store->fd_.get(), 0);
  if (address == MAP_FAILED) return ErrnoStatus(errno, absl::StrCat("cannot map ", path));
  store->file_ = static_cast<File*>(address);
  if (store->file_->magic != kMagic || store->file_->entry_size != sizeof(Entry)) {
    if (is_whole) {
      LOG(WARNING) << path << " has the layout of another version: its baselines are lost";
    }
    memset(store->file_, 0, sizeof(File));
    store->file_->magic = kMagic;
    store->file_->entry_size = sizeof(Entry);
  }
  return store;
}

BaselineStore::~BaselineStore() {
  if (file_ != nullptr) munmap(file_, sizeof(File));
}

BaselineStore::Entry& BaselineStore::entry(uint32_t slot) { return file_->entries[slot]; }

int BaselineStore::RestoreAll() {
  int restored = 0;
  for (uint32_t slot = 0; slot < PVS_MAX_VCPUS; ++slot) {
    if (file_->entries[slot].tid != 0 && Restore(slot)) ++restored;
  }
  return restored;
}

absl::Status BaselineStore::Add(uint32_t slot, pid_t tid) {
  ASSIGN_OR_RETURN(uint64_t start_time, ThreadStartTime(tid));
  ASSIGN_OR_RETURN(sched_attr baseline, GetSchedParams(tid));
  Entry& entry = file_->entries[slot];
  if (entry.tid != 0) Restore(slot);
  if (entry.tid != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("thread ", entry.tid, ", which had slot ", slot, ", cannot be restored"));
  }
  entry.start_time = start_time;
  entry.is_applied = 0;
  entry.baseline = baseline;
  // Stored last: an entry with a tid is complete, even after a crash.
  __atomic_store_n(&entry.tid, tid, __ATOMIC_RELEASE);
  return absl::OkStatus();
}

bool BaselineStore::Restore(uint32_t slot, const std::function<pid_t()>& new_tid) {
  Entry& entry = file_->entries[slot];
  absl::StatusOr<bool> restored = entry.is_applied != 0 ? RestoreThread(entry) : false;
  // new_tid() comes after the first attempt: an exec may change the tid at any
  // time, but only once.
  const pid_t tid = absl::IsNotFound(restored.status()) && new_tid ? new_tid() : 0;
  if (tid != 0) {
    const absl::StatusOr<uint64_t> start_time = ThreadStartTime(tid);
    entry.start_time = start_time.value_or(0);
    entry.tid = tid;
    restored = start_time.ok() ? RestoreThread(entry) : start_time.status();
  }
  if (!restored.ok() && !absl::IsNotFound(restored.status())) {
    // The entry stays, for the next start or --restore.
    LOG(ERROR) << "cannot restore thread " << entry.tid << ": " << restored.status().message();
    return false;
  }
  entry.is_applied = 0;
  __atomic_store_n(&entry.tid, 0, __ATOMIC_RELEASE);
  return restored.ok() && *restored;
}

}  // namespace pvsched
