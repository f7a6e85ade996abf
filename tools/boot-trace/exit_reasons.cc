// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tools/boot-trace/exit_reasons.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pvsched {
namespace {

using Names = std::map<uint32_t, std::string>;

// Evaluates a number or a sum: "0x040 + 1", "-1".
uint32_t Sum(absl::string_view text) {
  int64_t sum = 0;
  for (absl::string_view part : absl::StrSplit(text, '+')) {
    sum += strtoll(std::string(part).c_str(), nullptr, 0);
  }
  return static_cast<uint32_t>(sum);
}

// Concatenates string literals like C: `"KVM_EXIT_" "IO"`.
std::string Joined(absl::string_view literals) {
  std::string text;
  bool is_inside = false;
  for (const char c : literals) {
    if (c == '"') {
      is_inside = !is_inside;
    } else if (is_inside) {
      text += c;
    }
  }
  return text;
}

// Parses the next `__print_symbolic(FIELD, { NUMBER, "NAME" }, ...)` and removes it from the
// text.
Names ConsumeNames(absl::string_view& text) {
  constexpr absl::string_view kCall = "__print_symbolic(";
  Names names;
  const size_t call = text.find(kCall);
  if (call == text.npos) return names;
  text.remove_prefix(call + kCall.size());
  // No name holds a parenthesis.
  const size_t end = text.find(')');
  absl::string_view pairs = text.substr(0, end);
  text.remove_prefix(pairs.size());
  for (size_t open; (open = pairs.find('{')) != pairs.npos;) {
    pairs.remove_prefix(open + 1);
    const absl::string_view pair = pairs.substr(0, pairs.find('}'));
    const size_t comma = pair.find(',');
    if (comma == pair.npos) break;
    names.emplace(Sum(pair.substr(0, comma)), Joined(pair.substr(comma)));
  }
  return names;
}

std::string FileText(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

ExitReasons::ExitReasons(absl::string_view exit_format, absl::string_view userspace_exit_format) {
  names_[PVS_BOOT_EXIT_VMX] = ConsumeNames(exit_format);
  names_[PVS_BOOT_EXIT_SVM] = ConsumeNames(exit_format);
  for (auto& [reason, name] : ConsumeNames(userspace_exit_format)) {
    names_[PVS_BOOT_EXIT_TO_VMM][reason] = std::string(absl::StripPrefix(name, "KVM_EXIT_"));
  }
}

ExitReasons ExitReasons::OfThisKernel() {
  return ExitReasons(FileText("/sys/kernel/tracing/events/kvm/kvm_exit/format"),
                     FileText("/sys/kernel/tracing/events/kvm/kvm_userspace_exit/format"));
}

std::string ExitReasons::Name(pvs_boot_exit_kind kind, uint32_t reason) const {
  // Bit 31 of a VMX exit reason; the basic reason has 16 bits.
  constexpr uint32_t kFailedEntry = 0x80000000;
  if (kind == PVS_BOOT_EXIT_VMX && (reason & kFailedEntry) != 0) {
    return absl::StrCat(Name(kind, reason & 0xffff), ", entry failed");
  }
  if (const auto names = names_.find(kind); names != names_.end()) {
    if (const auto name = names->second.find(reason); name != names->second.end()) {
      return name->second;
    }
  }
  return absl::StrFormat("reason 0x%x", reason);
}

}  // namespace pvsched
