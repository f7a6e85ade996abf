// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// pvsched-boot: measures the boot of a VM from the host, for any VMM that uses KVM.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/boot-trace/measure.h"

namespace pvsched {
namespace {

constexpr char kDescription[] =
    "Measures the boot of a VM from the host with BPF programs, for any VMM that uses KVM: the\n"
    "time from the VMM's exec to its first vCPU, to the guest's user space and to its end, and\n"
    "the VM exits by reason and over time. Needs root. COMMAND may start the VMM through\n"
    "timeout, chrt or a script; VMs of other commands are not counted.";

constexpr char kFooter[] =
    "The guest's user space reports that it runs by the mark, a write of a given value to an I/O\n"
    "port. The guest's kernel also writes to port 0x80, but other values. The first program of\n"
    "the guest writes the mark like this:\n"
    "\n"
    "  C:      ioperm(0x80, 1, 1); outb(0x5a, 0x80);\n"
    "  shell:  printf '\\132' | dd of=/dev/port bs=1 seek=128 conv=notrunc\n"
    "\n"
    "Without the mark, all other figures are measured. A run ends when the VMM exits, so the\n"
    "guest must power off. Example, with an initramfs whose /init writes the mark and then runs\n"
    "`poweroff -f`:\n"
    "\n"
    "  pvsched-boot -n 10 -- qemu-system-x86_64 -accel kvm -cpu host -m 256 -nodefaults \\\n"
    "      -display none -kernel vmlinuz -initrd init.cpio -append quiet\n"
    "\n"
    "Exit status: 0 success, 1 failure (also if COMMAND fails), 2 wrong command line.";

struct CommandLine {
  MeasureOptions measure;
  std::string port = absl::StrFormat("0x%x", PVS_BOOT_DEFAULT_PORT);
  std::string value = absl::StrFormat("0x%x", PVS_BOOT_DEFAULT_VALUE);
  bool as_json = false;
};

// Accepts hexadecimal numbers of at most `bits` bits, and the text `also`.
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

void AddOptions(CLI::App& app, CommandLine& line) {
  app.usage(
      "Usage: pvsched-boot [OPTIONS] -- COMMAND [ARGUMENT...]\n"
      "       pvsched-boot [OPTIONS] --compare 'COMMAND A' 'COMMAND B'");
  app.footer(kFooter);
  app.set_version_flag("--version", PVSCHED_VERSION_STRING);
  app.add_option("-n,--runs", line.measure.runs, "Number of runs of the command, or of each of two")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app.add_option("--compare", line.measure.compare,
                 "Run two shell commands alternately and print their ratios, run by run")
      ->expected(2);
  app.add_flag("--json", line.as_json,
               "Print JSON (times in ms): each run with its exits in steps of 5 ms, and a summary");
  app.add_option("--port", line.port, "I/O port of the mark")
      ->capture_default_str()
      ->check(Hex(16));
  app.add_option("--value", line.value, "Value of the mark; any: the first write is the mark")
      ->capture_default_str()
      ->check(Hex(32, "any"));
  app.add_flag("--show-output", line.measure.shows_output,
               "Print the command's output to standard error");
  app.add_flag("--any-status", line.measure.any_status,
               "Accept a run whatever the command's exit status");
}

int WrongUsage(const std::string& problem) {
  fprintf(stderr, "pvsched-boot: %s (try: pvsched-boot --help)\n", problem.c_str());
  return 2;
}

int Run(CommandLine& line) {
  uint32_t port = 0;
  line.measure.value = PVS_BOOT_ANY_VALUE;
  if (!absl::SimpleHexAtoi(line.port, &port) ||
      (line.value != "any" && !absl::SimpleHexAtoi(line.value, &line.measure.value))) {
    return WrongUsage("the port and the value are hexadecimal numbers");
  }
  line.measure.port = static_cast<uint16_t>(port);
  const absl::StatusOr<Json> report = Measure(line.measure);
  if (!report.ok()) {
    fprintf(stderr, "pvsched-boot: %s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  // A command line may hold bytes that are not UTF-8.
  const std::string text = line.as_json
                               ? report->dump(1, ' ', false, Json::error_handler_t::replace) + "\n"
                               : ReportText(*report);
  fputs(text.c_str(), stdout);
  return 0;
}

int Main(int argc, char** argv) {
  CommandLine line;
  CLI::App app(kDescription, "pvsched-boot");
  AddOptions(app, line);
  // CLI11 must not parse the options of the VMM, which follow "--".
  char** const end = argv + argc;
  char** const dashes = std::find(argv, end, std::string("--"));
  if (dashes != end) line.measure.command.assign(dashes + 1, end);
  try {
    app.parse(static_cast<int>(dashes - argv), argv);
  } catch (const CLI::ExtrasError& error) {
    return WrongUsage(absl::StrCat(error.what(), ": a VMM's command goes after --"));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (line.measure.command.empty() && line.measure.compare.empty()) {
    return WrongUsage("no VMM given: put its command after --, or give two with --compare");
  }
  if (!line.measure.command.empty() && !line.measure.compare.empty()) {
    return WrongUsage("--compare takes both commands itself: give none after --");
  }
  return Run(line);
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
