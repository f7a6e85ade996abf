// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/daemon/scx_exit_record.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/log/log.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/unique_fd.h"

namespace pvsched {
namespace {

template <size_t kSize>
std::string Text(const char (&buffer)[kSize]) {
  return std::string(buffer, strnlen(buffer, kSize));
}

// A line that a terminal and the file's format can hold.
std::string Line(std::string text) {
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  absl::StripAsciiWhitespace(&text);
  return text;
}

// The dump names tasks, whose names are untrusted: no control character but
// newline and tab.
std::string DumpText(std::string text) {
  if (text.size() > ScxExitRecord::kDumpMax) {
    text.resize(ScxExitRecord::kDumpMax);
    text += "\n[cut off]\n";
  }
  for (char& c : text) {
    if (c != '\n' && c != '\t' && absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = '?';
  }
  return text;
}

// Sets `number` to the value of a line; 0 if the line has none.
template <typename Number>
void ParseNumber(absl::string_view value, Number& number) {
  if (!absl::SimpleAtoi(value, &number)) number = 0;
}

bool WriteFile(const std::string& path, const std::string& text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  return fd && write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace

std::string ScxExitRecord::Summary(const ScxExit& exit) {
  std::string text = absl::StrCat(exit.time, " ", exit.reason);
  if (!exit.message.empty()) absl::StrAppend(&text, ": ", exit.message);
  if (exit.code != 0) absl::StrAppend(&text, ", code ", exit.code);
  return text;
}

std::string ScxExitRecord::Save(const pvs_scx_exit& exit) const {
  ScxExit saved;
  saved.reason = Text(exit.reason);
  saved.message = Text(exit.message);
  saved.kind = exit.kind;
  saved.code = exit.code;
  saved.dump = Text(exit.dump);
  return Save(std::move(saved));
}

std::string ScxExitRecord::Save(ScxExit exit) const {
  exit.time = absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::Now(), absl::LocalTimeZone());
  exit.reason = Line(exit.reason);
  exit.message = Line(exit.message);
  const std::optional<ScxExit> last = Load();
  exit.count = (last ? last->count : 0) + 1;
  const std::string summary = Summary(exit);
  const std::string text =
      absl::StrCat(summary, "\ntime: ", exit.time, "\nreason: ", exit.reason,
                   "\nmessage: ", exit.message, "\nkind: ", exit.kind, "\ncode: ", exit.code,
                   "\ncount: ", exit.count, "\n\n", DumpText(std::move(exit.dump)));
  if (!WriteFile(path_, text)) PLOG(WARNING) << "cannot write " << path_;
  return summary;
}

std::optional<ScxExit> ScxExitRecord::Load() const {
  std::ifstream file(path_);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  ScxExit exit;
  // A record without fields is of a pvschedd that kept the summary alone.
  exit.message = line;
  while (std::getline(file, line) && !line.empty()) {
    if (exit.time.empty() && absl::StartsWith(line, "time: ")) exit.message.clear();
    absl::string_view value = line;
    if (absl::ConsumePrefix(&value, "time: ")) exit.time = std::string(value);
    if (absl::ConsumePrefix(&value, "reason: ")) exit.reason = std::string(value);
    if (absl::ConsumePrefix(&value, "message: ")) exit.message = std::string(value);
    if (absl::ConsumePrefix(&value, "kind: ")) ParseNumber(value, exit.kind);
    if (absl::ConsumePrefix(&value, "code: ")) ParseNumber(value, exit.code);
    if (absl::ConsumePrefix(&value, "count: ")) ParseNumber(value, exit.count);
  }
  exit.count = std::max<uint64_t>(exit.count, 1);
  exit.dump.assign(std::istreambuf_iterator<char>(file), {});
  return exit;
}

}  // namespace pvsched
