// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "common/journal_log.h"

#include <endian.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/log/globals.h"
#include "absl/log/log_entry.h"
#include "absl/log/log_sink.h"
#include "absl/log/log_sink_registry.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"

namespace pvsched {
namespace {

// One write: lines of two processes on one stream do not mix. A log that cannot
// be written is lost.
void WriteToStderr(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(STDERR_FILENO, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    text.remove_prefix(static_cast<size_t>(size));
  }
}

bool IsNamedByEnvironment() {
  const char* stream = getenv("JOURNAL_STREAM");
  struct stat info;
  return stream != nullptr && fstat(STDERR_FILENO, &info) == 0 &&
         stream == absl::StrCat(info.st_dev, ":", info.st_ino);
}

thread_local const LogSubject* current_subject = nullptr;

class JournalSink : public absl::LogSink {
 public:
  explicit JournalSink(const std::string& path) {
    if (CheckUnixPath(path).ok()) path.copy(address_.sun_path, path.size());
  }

  void Send(const absl::LogEntry& entry) override {
    const int error = errno;
    std::string text(entry.text_message());
    // Abseil sends a fatal message twice, the second time for its stack trace.
    if (!entry.stacktrace().empty()) {
      text = std::string(entry.stacktrace());
    } else if (entry.log_severity() == absl::LogSeverity::kFatal) {
      absl::StrAppend(&text, " (", entry.source_basename(), ":", entry.source_line(), ")");
    }
    const int priority = JournalPriority(entry.log_severity(), entry.verbosity());
    const LogSubject* subject = LogSubject::Current();
    if (subject == nullptr || !SendEntry(*subject, priority, text)) {
      WriteToStderr(WithPriority(priority, text));
    }
    errno = error;
  }

 private:
  // False: the journal does not take the entry at once. libsystemd would wait for it.
  bool SendEntry(const LogSubject& subject, int priority, const std::string& text) const {
    // Not before it is needed: pvsched-device may open no socket.
    static const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::vector<std::pair<std::string, std::string>> fields = {
        {"MESSAGE", text},
        {"PRIORITY", absl::StrCat(priority)},
        {"SYSLOG_IDENTIFIER", program_invocation_short_name},
        {"PVSCHED_VM", subject.vm()}};
    if (subject.vcpu()) fields.emplace_back("PVSCHED_VCPU", absl::StrCat(*subject.vcpu()));
    const std::string data = JournalEntry(fields);
    return sendto(fd.get(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address_),
                  sizeof(address_)) == static_cast<ssize_t>(data.size());
  }

  sockaddr_un address_{.sun_family = AF_UNIX, .sun_path = {}};
};

}  // namespace

bool IsStderrJournal() {
  // Once: later a seccomp filter may forbid fstat().
  static const bool is_journal = IsNamedByEnvironment();
  return is_journal;
}

void LogToJournal(const std::string& socket) {
  if (!IsStderrJournal()) return;
  static absl::LogSink* const sink = new JournalSink(socket);
  absl::AddLogSink(sink);
  absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfinity);
}

LogSubject::LogSubject(std::string vm, std::optional<uint32_t> vcpu)
    : vm_(std::move(vm)), vcpu_(vcpu), outer_(std::exchange(current_subject, this)) {}

LogSubject::~LogSubject() { current_subject = outer_; }

const LogSubject* LogSubject::Current() { return current_subject; }

std::string JournalEntry(absl::Span<const std::pair<std::string, std::string>> fields) {
  std::string entry;
  for (const auto& [name, value] : fields) {
    if (value.find('\n') == std::string::npos) {
      absl::StrAppend(&entry, name, "=", value, "\n");
      continue;
    }
    const uint64_t size = htole64(value.size());
    absl::StrAppend(&entry, name, "\n",
                    absl::string_view(reinterpret_cast<const char*>(&size), sizeof(size)), value,
                    "\n");
  }
  return entry;
}

void PrintError(absl::string_view program, absl::string_view message) {
  const std::string text = absl::StrCat(program, ": ", message);
  WriteToStderr(IsStderrJournal() ? WithPriority(LOG_ERR, text) : text + "\n");
}

std::string WithPriority(int priority, absl::string_view text) {
  std::string lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    absl::StrAppend(&lines, "<", priority, ">", line, "\n");
  }
  return lines;
}

int JournalPriority(absl::LogSeverity severity, int verbosity) {
  switch (severity) {
    case absl::LogSeverity::kInfo:
      return verbosity > 0 ? LOG_DEBUG : LOG_INFO;
    case absl::LogSeverity::kWarning:
      return LOG_WARNING;
    case absl::LogSeverity::kError:
      return LOG_ERR;
    case absl::LogSeverity::kFatal:
      break;
  }
  return LOG_CRIT;
}

}  // namespace pvsched
