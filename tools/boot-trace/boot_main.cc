// SPDX-License-Identifier: Apache-2.0
// pvsched-boot: measures a VM's boot from outside, for any VMM that uses KVM.

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/unique_fd.h"
#include "tools/boot-trace/command.h"
#include "tools/boot-trace/reasons.h"
#include "tools/boot-trace/recorder.h"
#include "tools/boot-trace/report.h"

namespace pvsched {
namespace {

constexpr char kDescription[] =
    "Measures a VM's boot from outside, by BPF alone, for any VMM that uses KVM: from the\n"
    "VMM's exec to its first vCPU, to the guest's first user space, to the end; VM exits\n"
    "by reason and over time. Runs as root. The VMM may be started through timeout, chrt or\n"
    "a script; the VMs of others are not counted.";

constexpr char kFooter[] =
    "The guest's user space tells of itself by a write to an I/O port; of this very value, as\n"
    "the guest's kernel writes others to port 0x80 to wait. In the guest's first program:\n"
    "\n"
    "  C:      ioperm(0x80, 1, 1); outb(0x5a, 0x80);\n"
    "  shell:  printf '\\132' | dd of=/dev/port bs=1 seek=128 conv=notrunc\n"
    "\n"
    "Without it all else is measured. The run ends when the VMM does: let the guest power off.\n"
    "Example, an initramfs whose /init does that and then `poweroff -f`:\n"
    "\n"
    "  pvsched-boot -n 10 -- qemu-system-x86_64 -accel kvm -cpu host -m 256 -nodefaults \\\n"
    "      -display none -kernel vmlinuz -initrd init.cpio -append quiet\n"
    "\n"
    "Exit status: 0, or 2 for a wrong command line, or 1 for all else, as when COMMAND fails.";

constexpr char kDefaultPort[] = "0x80";
constexpr char kDefaultValue[] = "0x5a";

struct Options {
  int runs = 1;
  std::string port = kDefaultPort;
  std::string value = kDefaultValue;
  std::vector<std::string> compare;
  std::vector<std::string> command;
  bool as_json = false;
  bool shows_output = false;
  bool any_status = false;
};

uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

// Tells that a run goes on, from its third second on; less often where lines pile up.
class Progress {
 public:
  Progress(std::string what, bool may_overwrite)
      : what_(std::move(what)), overwrites_(may_overwrite && isatty(STDERR_FILENO)) {}
  ~Progress() {
    if (overwrites_ && has_told_) fputs("\r\033[K", stderr);
  }
  void Tick() {
    const uint64_t seconds = (Now() - start_) / 1000000000;
    if (seconds < next_) return;
    fprintf(stderr, overwrites_ ? "\r\033[K%s, %llu s" : "%s, %llu s\n", what_.c_str(),
            static_cast<unsigned long long>(seconds));
    has_told_ = true;
    next_ = seconds + (overwrites_ ? 1 : 30);
  }

 private:
  std::string what_;
  bool overwrites_;
  bool has_told_ = false;
  uint64_t start_ = Now();
  uint64_t next_ = 2;
};

// Thread and process ids are the init namespace's to BPF programs.
absl::Status CheckNamespace() {
  constexpr ino_t kInitialPidNamespace = 0xEFFFFFFC;
  struct stat info;
  if (stat("/proc/self/ns/pid", &info) == 0 && info.st_ino != kInitialPidNamespace) {
    return absl::FailedPreconditionError(
        "this is a container with processes of its own: start pvsched-boot on the host itself, or "
        "in a container that shares the host's processes (--pid=host)");
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> TakeSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC));
  if (!fd) return absl::ErrnoToStatus(errno, "signalfd");
  return fd;
}

absl::StatusOr<BootRecord> RunOnce(Recorder& recorder, const Options& options,
                                   const std::vector<std::string>& argv, int signals,
                                   const std::string& what) {
  Progress progress(what, !options.shows_output);
  const auto tick = [&progress] { progress.Tick(); };
  absl::StatusOr<Command> command = Command::Hold(argv, options.shows_output);
  if (!command.ok()) return command.status();
  if (absl::Status status = recorder.Follow(command->pid()); !status.ok()) return status;
  if (absl::Status status = command->Run(); !status.ok()) return status;
  if (absl::Status status = command->Wait(signals, tick); !status.ok()) return status;
  if (absl::Status status = command->Result(); !status.ok() && !options.any_status) return status;
  absl::StatusOr<BootRecord> record = recorder.Read();
  // A VMM in the background may be on its way yet.
  while (record.ok() && record->vmm == 0 && record->has_living) {
    if (absl::Status status = Command::Pause(signals, tick); !status.ok()) return status;
    record = recorder.Read();
  }
  if (!record.ok()) return record.status();
  if (record->vmm == 0) {
    return absl::NotFoundError(absl::StrCat(
        "'", argv[0], "' ended, and no guest ran: is it a VMM, with KVM on (QEMU: -accel kvm)?"));
  }
  if (record->times.ended_ns != 0) return record;
  // A VMM in the background, or one whose parent does not want to know.
  if (absl::Status status = Command::WaitFor(record->vmm, signals, tick); !status.ok()) {
    kill(record->vmm, SIGKILL);
    return status;
  }
  const uint64_t end = Now();
  record = recorder.Read();
  if (record.ok() && record->times.ended_ns == 0) record->times.ended_ns = end;
  return record;
}

absl::Status Measure(const Options& options) {
  if (absl::Status status = CheckNamespace(); !status.ok()) return status;
  uint32_t port = 0;
  uint64_t value = PVS_BOOT_ANY_VALUE;
  absl::SimpleHexAtoi(options.port, &port);
  if (options.value != "any") absl::SimpleHexAtoi(options.value, &value);
  absl::StatusOr<std::unique_ptr<Recorder>> recorder =
      Recorder::Load(static_cast<uint16_t>(port), value);
  if (!recorder.ok()) return recorder.status();
  absl::StatusOr<UniqueFd> signals = TakeSignals();
  if (!signals.ok()) return signals.status();
  const ExitReasons reasons = ExitReasons::OfThisKernel();

  std::vector<std::vector<std::string>> commands = {options.command};
  std::vector<std::string> titles = {absl::StrJoin(options.command, " ")};
  if (!options.compare.empty()) {
    titles = options.compare;
    commands.clear();
    for (const std::string& text : options.compare) commands.push_back({"/bin/sh", "-c", text});
  }
  std::vector<std::vector<Json>> runs(commands.size());
  for (int i = 0; i < options.runs; ++i) {
    for (size_t k = 0; k < commands.size(); ++k) {
      // A B, B A, ...: what drifts falls on both alike.
      const size_t which = i % 2 == 0 ? k : commands.size() - 1 - k;
      std::string what = absl::StrCat("pvsched-boot: run ", i + 1, " of ", options.runs);
      if (commands.size() > 1) absl::StrAppend(&what, which == 0 ? ", A" : ", B");
      absl::StatusOr<BootRecord> record =
          RunOnce(**recorder, options, commands[which], signals->get(), what);
      if (!record.ok()) {
        return absl::Status(record.status().code(),
                            absl::StrCat("run ", i + 1, ": ", record.status().message()));
      }
      runs[which].push_back(RunJson(*record, reasons));
    }
  }
  std::vector<Json> series;
  series.reserve(commands.size());
  for (size_t k = 0; k < commands.size(); ++k) series.push_back(SeriesJson(titles[k], runs[k]));
  const Json report = ReportJson(static_cast<uint16_t>(port), series);
  const std::string text = options.as_json
                               ? report.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"
                               : ReportText(report);
  fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

// A number in hexadecimal, of so many bits.
CLI::Validator Hex(int bits, const char* also = "") {
  return CLI::Validator(
      [bits, also](std::string& text) {
        uint64_t number;
        if (text == also || (absl::SimpleHexAtoi(text, &number) && number >> bits == 0)) {
          return std::string();
        }
        return absl::StrCat("'", text, "' is no hexadecimal number of ", bits,
                            " bits such as 0x5a");
      },
      "HEX");
}

int Usage(const std::string& problem) {
  fprintf(stderr, "pvsched-boot: %s (try: pvsched-boot --help)\n", problem.c_str());
  return 2;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app(kDescription, "pvsched-boot");
  app.usage(
      "Usage: pvsched-boot [OPTIONS] -- COMMAND [ARGUMENT...]\n"
      "       pvsched-boot [OPTIONS] --compare 'COMMAND A' 'COMMAND B'");
  app.footer(kFooter);
  app.set_version_flag("--version", PVSCHED_VERSION_STRING);
  app.add_option("-n,--runs", options.runs, "Run the command, or each of the two, so many times")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app.add_option("--compare", options.compare,
                 "Two commands of the shell's, run in turn; ratios are within each pair of runs")
      ->expected(2);
  app.add_flag("--json", options.as_json,
               "Print JSON, in ms: each run, its exits in steps of 5 ms, the summary");
  app.add_option("--port", options.port, "The I/O port that the guest's user space writes to")
      ->capture_default_str()
      ->check(Hex(16));
  app.add_option("--value", options.value, "What it writes there; any: the first write counts")
      ->capture_default_str()
      ->check(Hex(32, "any"));
  app.add_flag("--show-output", options.shows_output,
               "Pass on what the command says, to standard error");
  app.add_flag("--any-status", options.any_status,
               "A run is good whatever exit status the command ends with");
  // What follows -- is the command's, whatever it looks like.
  char** const end = argv + argc;
  char** const dashes = std::find(argv, end, std::string("--"));
  if (dashes != end) options.command.assign(dashes + 1, end);
  try {
    app.parse(static_cast<int>(dashes - argv), argv);
  } catch (const CLI::ExtrasError& error) {
    return Usage(absl::StrCat(error.what(), ": a VMM's command goes after --"));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.command.empty() && options.compare.empty()) {
    return Usage("which VMM? Give its command after --, or two with --compare");
  }
  if (!options.command.empty() && !options.compare.empty()) {
    return Usage("--compare takes its two commands itself: give none after --");
  }
  if (absl::Status status = Measure(options); !status.ok()) {
    fprintf(stderr, "pvsched-boot: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
