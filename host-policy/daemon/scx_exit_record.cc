// SPDX-License-Identifier: Apache-2.0
#include "host-policy/daemon/scx_exit_record.h"

#include <cstring>
#include <fstream>
#include <string>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace pvsched {
namespace {

template <size_t kSize>
absl::string_view Text(const char (&buffer)[kSize]) {
  return absl::string_view(buffer, strnlen(buffer, kSize));
}

}  // namespace

std::string ScxExitRecord::Note(const pvs_scx_exit& end) const {
  std::string text(Text(end.reason));
  if (const absl::string_view message = Text(end.message); !message.empty()) {
    absl::StrAppend(&text, ": ", message);
  }
  if (end.code != 0) absl::StrAppend(&text, ", code ", end.code);
  std::ofstream file(path_, std::ios::trunc);
  file << absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::Now(), absl::LocalTimeZone()) << " " << text
       << "\n";
  if (!file.flush()) LOG(WARNING) << "cannot write " << path_;
  return text;
}

std::string ScxExitRecord::Last() const {
  std::ifstream file(path_);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace pvsched
