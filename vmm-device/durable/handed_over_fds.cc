// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/durable/handed_over_fds.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "vmm-device/durable/hand_over.h"

namespace pvsched {

std::string HandedOverFds::Format() const {
  std::string text = absl::StrCat(state, ",", supervisor, ",", pipe_out, ",", pipe_in);
  for (const auto& [file, fd] : files) absl::StrAppend(&text, ",", file, "=", fd);
  return text;
}

absl::StatusOr<HandedOverFds> HandedOverFds::Parse(absl::string_view text) {
  absl::Status malformed = absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not STATE,SUPERVISOR,PIPE_OUT,PIPE_IN[,FILE=FD]..."));
  const std::vector<absl::string_view> words = absl::StrSplit(text, ',');
  HandedOverFds fds;
  int* const fixed[] = {&fds.state, &fds.supervisor, &fds.pipe_out, &fds.pipe_in};
  constexpr size_t kFixed = std::size(fixed);
  if (words.size() < kFixed) return malformed;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i < kFixed) {
      if (!absl::SimpleAtoi(words[i], fixed[i]) || *fixed[i] < 0) return malformed;
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> pair = absl::StrSplit(words[i], '=');
    uint32_t file;
    int fd;
    if (!absl::SimpleAtoi(pair.first, &file) || !absl::SimpleAtoi(pair.second, &fd) || fd < 0 ||
        file >= kMaxHeldFiles || !fds.files.emplace(file, fd).second) {
      return malformed;
    }
  }
  return fds;
}

}  // namespace pvsched
