// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/daemon/path_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "common/errno_status.h"

namespace pvsched {
namespace {

// IN_ATTRIB: a chmod can make a socket accessible.
constexpr uint32_t kEntryEvents = IN_CREATE | IN_MOVED_TO | IN_ATTRIB;
constexpr uint32_t kDirectoryEvents = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr uint32_t kLostEvents = kDirectoryEvents | IN_IGNORED | IN_UNMOUNT;

}  // namespace

absl::StatusOr<std::unique_ptr<PathWatch>> PathWatch::Create(const std::string& path) {
  UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return ErrnoStatus(errno, "inotify_init1");
  return absl::WrapUnique(new PathWatch(std::move(inotify), path));
}

PathWatch::PathWatch(UniqueFd inotify, const std::string& path) : inotify_(std::move(inotify)) {
  std::string directory = path.starts_with('/') ? "/" : "./";
  for (const absl::string_view name : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    directories_.push_back(directory);
    names_.emplace_back(name);
    absl::StrAppend(&directory, name, "/");
  }
}

// Watches each directory before it tries the next. The creation of the next
// directory is thus reported, or its watch succeeds.
void PathWatch::Arm() {
  Disarm();
  for (size_t i = 0; i < directories_.size(); ++i) {
    const int watch = inotify_add_watch(inotify_.get(), directories_[i].c_str(),
                                        kEntryEvents | kDirectoryEvents | IN_ONLYDIR);
    if (watch < 0) break;
    Disarm();
    watch_ = watch;
    level_ = i;
  }
}

void PathWatch::Disarm() {
  if (watch_ >= 0) inotify_rm_watch(inotify_.get(), watch_);
  watch_ = -1;
}

bool PathWatch::Drain() {
  bool is_relevant = false;
  alignas(inotify_event) char buffer[4096];
  ssize_t n;
  while ((n = read(inotify_.get(), buffer, sizeof(buffer))) > 0) {
    for (ssize_t offset = 0; offset < n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + offset);
      is_relevant |= IsRelevant(*event);
      offset += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  return is_relevant;
}

bool PathWatch::IsRelevant(const inotify_event& event) const {
  if (event.mask & IN_Q_OVERFLOW) return true;
  if (event.wd != watch_) return false;  // of an earlier watch
  if (event.mask & kLostEvents) return true;
  return event.len > 0 && names_[level_] == event.name;
}

}  // namespace pvsched
