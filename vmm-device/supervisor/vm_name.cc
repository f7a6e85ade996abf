// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "vmm-device/supervisor/vm_name.h"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/unique_fd.h"

namespace pvsched {
namespace {

// libvirt's longest command lines have some ten thousand bytes.
constexpr size_t kMaxCommandLine = 128 << 10;
// Leaves room for a suffix in pvsched_control_msg.text.
constexpr size_t kMaxName = 80;

// The guest= or first value of QEMU's "-name", in which ",," is a comma.
std::string NameFromOption(absl::string_view option) {
  constexpr absl::string_view kGuest = "guest=";
  std::string value;
  bool is_first = true;
  for (size_t i = 0; i <= option.size(); ++i) {
    const bool is_end = i == option.size();
    if (!is_end && option[i] != ',') {
      value += option[i];
    } else if (!is_end && i + 1 < option.size() && option[i + 1] == ',') {
      value += option[i++];
    } else {
      if (absl::StartsWith(value, kGuest)) return value.substr(kGuest.size());
      if (is_first && !absl::StrContains(value, '=')) return value;
      is_first = false;
      value.clear();
    }
  }
  return "";
}

std::string Clean(absl::string_view text) {
  std::string name(text.substr(0, kMaxName));
  for (char& c : name) {
    const bool is_plain =
        absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.';
    if (!is_plain) c = '_';
  }
  if (!name.empty() && (name[0] == '-' || name[0] == '.')) name[0] = '_';
  return name;
}

}  // namespace

std::string VmNameFromCommandLine(absl::string_view command_line, pid_t pid) {
  std::string name;
  std::string uuid;
  const std::vector<absl::string_view> words = absl::StrSplit(command_line, '\0');
  for (size_t i = 1; i + 1 < words.size(); ++i) {
    absl::string_view option = words[i];
    if (absl::ConsumePrefix(&option, "--") || absl::ConsumePrefix(&option, "-")) {
      if (option == "name") name = NameFromOption(words[++i]);
      if (option == "uuid") uuid = std::string(words[++i]);
    }
  }
  if (name.empty()) name = uuid;
  return name.empty() ? absl::StrCat("vm-", pid) : Clean(name);
}

std::string ReadVmName(pid_t pid) {
  const UniqueFd file(open(absl::StrCat("/proc/", pid, "/cmdline").c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(kMaxCommandLine, '\0');
  size_t size = 0;
  while (file && size < text.size()) {
    const ssize_t n = read(file.get(), text.data() + size, text.size() - size);
    if (n <= 0) break;
    size += static_cast<size_t>(n);
  }
  text.resize(size);
  return VmNameFromCommandLine(text, pid);
}

}  // namespace pvsched
