// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "tools/boot-trace/measure.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/unique_fd.h"
#include "tools/boot-trace/command.h"
#include "tools/boot-trace/exit_reasons.h"
#include "tools/boot-trace/recorder.h"

namespace pvsched {
namespace {

constexpr uint64_t kNsPerSecond = 1000000000;

uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

// Shows the elapsed time of a run from its third second on: every second on a terminal,
// every 30 s elsewhere.
class Progress {
 public:
  Progress(std::string title, bool may_overwrite)
      : title_(std::move(title)), overwrites_(may_overwrite && isatty(STDERR_FILENO)) {}
  ~Progress() {
    if (overwrites_ && has_shown_) fputs("\r\033[K", stderr);
  }
  void Tick() {
    const uint64_t seconds = (Now() - start_) / kNsPerSecond;
    if (seconds < next_s_) return;
    fprintf(stderr, overwrites_ ? "\r\033[K%s, %llu s" : "%s, %llu s\n", title_.c_str(),
            static_cast<unsigned long long>(seconds));
    has_shown_ = true;
    next_s_ = seconds + (overwrites_ ? 1 : 30);
  }

 private:
  std::string title_;
  bool overwrites_;
  bool has_shown_ = false;
  uint64_t start_ = Now();
  uint64_t next_s_ = 2;
};

// BPF programs see thread and process ids of the initial PID namespace.
absl::Status CheckPidNamespace() {
  constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;  // PROC_PID_INIT_INO
  struct stat info;
  if (stat("/proc/self/ns/pid", &info) == 0 && info.st_ino != kInitialPidNamespace) {
    return absl::FailedPreconditionError(
        "this is a container with a PID namespace of its own: start pvsched-boot on the host, or "
        "in a container that shares the host's PID namespace (--pid=host)");
  }
  return absl::OkStatus();
}

// Blocks the signals that end a measurement and returns a signalfd for them.
absl::StatusOr<UniqueFd> BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, "signalfd");
  return fd;
}

// Measures the runs of one or two commands with one recorder.
class Measurement {
 public:
  Measurement(const MeasureOptions& options, Recorder& recorder, int signals)
      : options_(options), recorder_(recorder), signals_(signals) {}

  absl::StatusOr<BootRecord> RunOnce(const std::vector<std::string>& argv, std::string title);

 private:
  absl::Status RunCommand(const std::vector<std::string>& argv, Progress& progress);
  absl::StatusOr<BootRecord> AwaitVmm(Progress& progress);

  const MeasureOptions& options_;
  Recorder& recorder_;
  const int signals_;
};

absl::Status Measurement::RunCommand(const std::vector<std::string>& argv, Progress& progress) {
  absl::StatusOr<Command> command = Command::Fork(argv, options_.shows_output);
  if (!command.ok()) return command.status();
  if (absl::Status status = recorder_.Follow(command->pid()); !status.ok()) return status;
  if (absl::Status status = command->Exec(); !status.ok()) return status;
  const auto tick = [&progress] { progress.Tick(); };
  if (absl::Status status = command->Wait(signals_, tick); !status.ok()) return status;
  return options_.any_status ? absl::OkStatus() : command->Result();
}

// Waits for the end of a VMM that outlives the command, and returns what was recorded.
absl::StatusOr<BootRecord> Measurement::AwaitVmm(Progress& progress) {
  const auto tick = [&progress] { progress.Tick(); };
  absl::StatusOr<BootRecord> record = recorder_.Read();
  // A background process may still run its first vCPU.
  while (record.ok() && record->vmm == 0 && record->has_living) {
    if (absl::Status status = Command::Pause(signals_, tick); !status.ok()) return status;
    record = recorder_.Read();
  }
  if (!record.ok() || record->vmm == 0 || record->times.ended_at != 0) return record;
  if (absl::Status status = Command::WaitFor(record->vmm, signals_, tick); !status.ok()) {
    kill(record->vmm, SIGKILL);
    return status;
  }
  const uint64_t end = Now();
  record = recorder_.Read();
  // There is no SIGCHLD to a parent that ignores it.
  if (record.ok() && record->times.ended_at == 0) record->times.ended_at = end;
  return record;
}

absl::StatusOr<BootRecord> Measurement::RunOnce(const std::vector<std::string>& argv,
                                                std::string title) {
  Progress progress(std::move(title), !options_.shows_output);
  if (absl::Status status = RunCommand(argv, progress); !status.ok()) return status;
  absl::StatusOr<BootRecord> record = AwaitVmm(progress);
  if (record.ok() && record->vmm == 0) {
    return absl::NotFoundError(absl::StrCat(
        "'", argv[0], "' ended, and no guest ran: is it a VMM, with KVM on (QEMU: -accel kvm)?"));
  }
  return record;
}

// The argv of each command and its name in the report.
struct NamedCommand {
  std::vector<std::string> argv;
  std::string name;
};

std::vector<NamedCommand> Commands(const MeasureOptions& options) {
  if (options.compare.empty()) return {{options.command, absl::StrJoin(options.command, " ")}};
  std::vector<NamedCommand> commands;
  for (const std::string& text : options.compare) {
    commands.push_back({{"/bin/sh", "-c", text}, text});
  }
  return commands;
}

}  // namespace

absl::StatusOr<Json> Measure(const MeasureOptions& options) {
  if (absl::Status status = CheckPidNamespace(); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Recorder>> recorder = Recorder::Load(options.port, options.value);
  if (!recorder.ok()) return recorder.status();
  absl::StatusOr<UniqueFd> signals = BlockSignals();
  if (!signals.ok()) return signals.status();
  const ExitReasons reasons = ExitReasons::OfThisKernel();
  Measurement measurement(options, **recorder, signals->get());

  const std::vector<NamedCommand> commands = Commands(options);
  std::vector<std::vector<Json>> runs(commands.size());
  for (int i = 0; i < options.runs; ++i) {
    for (size_t k = 0; k < commands.size(); ++k) {
      // A B, B A, ...: drift of the host affects both alike.
      const size_t which = i % 2 == 0 ? k : commands.size() - 1 - k;
      std::string title = absl::StrCat("pvsched-boot: run ", i + 1, " of ", options.runs);
      if (commands.size() > 1) absl::StrAppend(&title, which == 0 ? ", A" : ", B");
      absl::StatusOr<BootRecord> record = measurement.RunOnce(commands[which].argv, title);
      if (!record.ok()) {
        return absl::Status(record.status().code(),
                            absl::StrCat("run ", i + 1, ": ", record.status().message()));
      }
      runs[which].push_back(RunJson(*record, reasons));
    }
  }
  std::vector<Json> series;
  series.reserve(commands.size());
  for (size_t k = 0; k < commands.size(); ++k) {
    series.push_back(SeriesJson(commands[k].name, runs[k]));
  }
  return ReportJson(options.port, series);
}

}  // namespace pvsched
