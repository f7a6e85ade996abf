// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/supervisor/kept_session.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "vmm-device/durable/hand_over.h"

namespace pvsched {
namespace {

constexpr absl::string_view kVm = "vm";
constexpr absl::string_view kState = "state";
constexpr absl::string_view kPipeOut = "pipe-out";
constexpr absl::string_view kPipeIn = "pipe-in";
constexpr absl::string_view kFile = "file";

// The place of a descriptor with this name; null: the name is unknown. `argument`
// follows the second dot.
UniqueFd* PlaceOf(KeptSession& session, absl::string_view what, absl::string_view argument) {
  KeptDescriptors& fds = session.descriptors;
  if (what == kState) return &fds.state;
  if (what == kPipeOut) return &fds.pipe_out;
  if (what == kPipeIn) return &fds.pipe_in;
  if (what == kVm && !argument.empty()) {
    session.vm_name = std::string(argument);
    return &fds.socket;
  }
  uint32_t file = 0;
  if (what == kFile && absl::SimpleAtoi(argument, &file) && file < kRequestFile) {
    return &fds.files[file];
  }
  return nullptr;
}

}  // namespace

std::vector<std::pair<std::string, int>> KeptDescriptors::Named(uint64_t id,
                                                                const std::string& vm_name) const {
  std::vector<std::pair<std::string, int>> named = {
      {absl::StrCat(id, ".", kVm, ".", vm_name), socket.get()},
      {absl::StrCat(id, ".", kState), state.get()},
      {absl::StrCat(id, ".", kPipeOut), pipe_out.get()},
      {absl::StrCat(id, ".", kPipeIn), pipe_in.get()}};
  for (const auto& [file, fd] : files) {
    if (file != kRequestFile) named.emplace_back(KeptFileName(id, file), fd.get());
  }
  return named;
}

std::string KeptFileName(uint64_t id, uint32_t file) {
  return absl::StrCat(id, ".", kFile, ".", file);
}

std::map<uint64_t, KeptSession> TakeSessions(
    std::vector<std::pair<std::string, UniqueFd>>& descriptors) {
  std::map<uint64_t, KeptSession> sessions;
  std::vector<std::pair<std::string, UniqueFd>> others;
  for (auto& [name, fd] : descriptors) {
    const std::vector<std::string> words = absl::StrSplit(name, absl::MaxSplits('.', 2));
    uint64_t id = 0;
    if (words.size() < 2 || !absl::SimpleAtoi(words[0], &id)) {
      others.emplace_back(name, std::move(fd));
      continue;
    }
    KeptSession& session = sessions[id];
    session.names.push_back(name);
    UniqueFd* const place = PlaceOf(session, words[1], words.size() > 2 ? words[2] : "");
    if (place != nullptr) *place = std::move(fd);
  }
  descriptors = std::move(others);
  return sessions;
}

}  // namespace pvsched
