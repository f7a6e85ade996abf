// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// pvschedctl shows what pvschedd does, and changes tunables and the policy.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "common/standard_output.h"
#include "common/unique_fd.h"
#include "host-policy/ctl/admin_client.h"
#include "host-policy/ctl/config_commands.h"
#include "host-policy/ctl/interrupt.h"
#include "host-policy/ctl/invocation.h"
#include "host-policy/ctl/json_output.h"
#include "host-policy/ctl/observe_commands.h"
#include "host-policy/ctl/tables.h"
#include "host-policy/ctl/top_command.h"
#include "host-policy/ctl/trace_file.h"
#include "host-policy/ctl/tunable_commands.h"
#include "host-policy/ctl/vm_filter.h"

namespace pvsched {
namespace {

// A memfd with the content of a file.
absl::StatusOr<UniqueFd> ToMemory(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return ErrnoStatus(errno, absl::StrCat("cannot read ", path));
  UniqueFd memory(memfd_create("policy", MFD_CLOEXEC));
  if (!memory) return ErrnoStatus(errno, "memfd_create");
  ssize_t size;
  do {
    size = sendfile(memory.get(), file.get(), nullptr, size_t{1} << 20);
  } while (size > 0);
  if (size < 0) return ErrnoStatus(errno, absl::StrCat("cannot read ", path));
  return memory;
}

// pvschedd gets the content: its mount namespace need not have the path, and it takes no
// descriptor of a file system.
absl::Status LoadPolicy(const Invocation& run) {
  ASSIGN_OR_RETURN(const UniqueFd file, ToMemory(run.path));
  ASSIGN_OR_RETURN(
      const Json reply,
      AdminClient(run.socket_path)
          .Ask(AdminMethod::kLoadPolicy,
               {{"path", std::filesystem::absolute(run.path).string()}, {"file_descriptor", 0}},
               file.get()));
  return PrintResult(run, reply, PolicyText);
}

absl::Status PrintDump(const Invocation& run) {
  ASSIGN_OR_RETURN(const Json status, AdminClient(run.socket_path).Ask(AdminMethod::kGetScheduler));
  const std::string dump = ExitDump(status);
  if (run.as_json) {
    fputs(JsonText(WithFormat({{"dump", dump}})).c_str(), stdout);
    return absl::OkStatus();
  }
  if (dump.empty()) {
    return absl::NotFoundError("there is no dump: the kernel has ejected no scheduler of pvsched");
  }
  fputs(dump.c_str(), stdout);
  return absl::OkStatus();
}

absl::Status ListVcpus(const Invocation& run) {
  RETURN_IF_ERROR(CheckVmFilter(run));
  ASSIGN_OR_RETURN(const Json all, AdminClient(run.socket_path).Ask(AdminMethod::kListVcpus));
  return PrintResult(run, ShownVcpus(run, all.value("vcpus", Json::array())), VcpuTable, "vcpus");
}

absl::Status PrintStats(const Invocation& run) {
  RETURN_IF_ERROR(CheckVmFilter(run));
  ASSIGN_OR_RETURN(Json stats, AdminClient(run.socket_path).Ask(AdminMethod::kGetStats));
  if (stats.contains("vcpus")) stats["vcpus"] = ShownVcpus(run, stats["vcpus"]);
  return PrintResult(run, stats, StatsTable);
}

void PrintDecision(const Json& decision) {
  printf("%.6f %s/%d %s -> %s (%s)\n", static_cast<double>(decision.value("ns", uint64_t{0})) / 1e9,
         decision.value("vm", "?").c_str(), decision.value("vcpu", 0),
         decision.value("before", "?").c_str(), decision.value("grant", "?").c_str(),
         decision.value("reason", "").c_str());
}

absl::Status TraceToText(const Invocation& run) {
  // So that a pipe's reader has each decision at once.
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  return AdminClient(run.socket_path)
      .Trace([] { return absl::OkStatus(); },
             [&](const Json& decision) {
               if (!IsShown(run, decision)) return !WasInterrupted();
               if (run.as_json) {
                 fputs(JsonText(WithFormat(decision), -1).c_str(), stdout);
               } else {
                 PrintDecision(decision);
               }
               return !WasInterrupted() && ferror(stdout) == 0;
             });
}

absl::Status TraceToFile(const Invocation& run) {
  uint64_t decisions = 0;
  uint64_t dropped = 0;
  std::unique_ptr<TraceFile> file;
  absl::Status written;
  const auto on_start = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(file, TraceFile::Open(run.path));
    fprintf(stderr, "tracing%s; Ctrl-C ends the trace\n",
            run.seconds > 0 ? absl::StrCat(" for ", run.seconds, " s").c_str() : "");
    return absl::OkStatus();
  };
  absl::Status status = AdminClient(run.socket_path).Trace(on_start, [&](const Json& decision) {
    dropped = decision.value("dropped", uint64_t{0});
    if (!IsShown(run, decision)) return !WasInterrupted();
    ++decisions;
    written = file->Add(decision);
    return !WasInterrupted() && written.ok();
  });
  if (file != nullptr) written.Update(file->Close());
  RETURN_IF_ERROR(written);
  RETURN_IF_ERROR(status);
  fprintf(stderr, "%lu decisions in %s (%lu were dropped); ui.perfetto.dev shows the file\n",
          decisions, run.path.c_str(), dropped);
  return absl::OkStatus();
}

absl::Status Trace(const Invocation& run) {
  RETURN_IF_ERROR(CheckVmFilter(run));
  CatchInterrupts();
  if (run.seconds > 0) alarm(static_cast<unsigned>(run.seconds));
  return run.path.empty() ? TraceToText(run) : TraceToFile(run);
}

void AddPolicyCommands(CLI::App& app, Invocation& run) {
  CLI::App* policy =
      AddGroup(app, "policy", "The policy: the function that proposes a vCPU's grant");
  AddShow(*policy, "show", "The policy in use", run, AdminMethod::kGetPolicy, PolicyText);
  CLI::App* load = policy->add_subcommand(
      "load", "Replace the policy. If the kernel refuses the new one, the old one stays.");
  load->add_option("FILE", run.path, "BPF object with a function pvs_policy")
      ->required()
      ->check(CLI::ExistingFile);
  load->final_callback([&run] { run.status = LoadPolicy(run); });
  AddShow(*policy, "reset", "Return to the default policy", run, AdminMethod::kResetPolicy,
          PolicyText);
}

void AddSchedulerCommands(CLI::App& app, Invocation& run) {
  CLI::App* scheduler =
      AddGroup(app, "scheduler", "pvsched's scheduler for the whole host (--actuator scx)");
  AddShow(*scheduler, "status", "Its counters, and why the kernel last ejected it", run,
          AdminMethod::kGetScheduler, SchedulerTable);
  scheduler->add_subcommand("dump", "The kernel's debug dump of the last ejection")
      ->final_callback([&run] { run.status = PrintDump(run); });
}

void AddVcpuCommands(CLI::App& app, Invocation& run) {
  CLI::App* vcpu = AddGroup(app, "vcpu", "vCPUs with a registered record");
  CLI::App* list = vcpu->add_subcommand(
      "list", "Every vCPU: its thread, state, applied parameters and baseline");
  AddVmFilter(*list, run);
  list->final_callback([&run] { run.status = ListVcpus(run); });
}

void AddMonitorCommands(CLI::App& app, Invocation& run) {
  CLI::App* stats = app.add_subcommand(
      "stats", "Counters and wake-up latencies of every vCPU since its registration");
  AddVmFilter(*stats, run);
  stats->final_callback([&run] { run.status = PrintStats(run); });
  AddTopCommand(app, run);
  CLI::App* trace = app.add_subcommand("trace", "Each decision and its reason, as it is made");
  trace->add_option("-s,--seconds", run.seconds, "Length of the trace; 0: until Ctrl-C")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  AddVmFilter(*trace, run);
  trace->add_option("-o,--output", run.path, "Write a file for ui.perfetto.dev instead");
  trace->final_callback([&run] { run.status = Trace(run); });
}

// Names what was wrong: CLI11 misses a subcommand before it sees an unknown word.
std::string UsageError(const CLI::App* app, const CLI::Error& error) {
  const std::vector<std::string> rest = app->remaining(/*recurse=*/true);
  const std::string reason = rest.empty()
                                 ? std::string(error.what())
                                 : absl::StrCat("there is no command or option '", rest[0], "'");
  return absl::StrCat("pvschedctl: ", reason, "\nRun with --help for more information.\n");
}

int Main(int argc, char** argv) {
  HoldStandardFiles();
  Invocation run;
  CLI::App app(
      "Shows what pvschedd does with the vCPUs of this host, and changes what it may do.\n"
      "Run it as root, while pvschedd runs.",
      "pvschedctl");
  app.set_version_flag("--version", PVSCHED_VERSION_STRING);
  app.add_option("--socket", run.socket_path, "pvschedd's admin socket")->capture_default_str();
  app.add_flag("--json", run.as_json, "Print JSON instead of a table");
  app.failure_message(UsageError);
  app.require_subcommand(1);
  app.fallthrough();
  CLI::App* vm = AddGroup(app, "vm", "Virtual machines with a pvsched device");
  AddShow(*vm, "list", "Every VM: its process, its registered vCPUs, how many are bound", run,
          AdminMethod::kListVms, VmTable, "vms");
  AddVcpuCommands(app, run);
  AddTunableCommands(app, run);
  AddProfileCommands(app, run);
  AddConfigCommands(app, run);
  AddPolicyCommands(app, run);
  AddSchedulerCommands(app, run);
  AddMonitorCommands(app, run);
  AddObserveCommands(app, run);
  // After the subcommands, which would inherit it.
  app.footer(
      "Examples:\n"
      "  pvschedctl --json vcpu list\n"
      "  pvschedctl tunable set budget 500 --vm web1\n"
      "  pvschedctl trace --seconds 5 --output trace.json");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) != 0) return 2;
  }
  // A command's own error is the cause of what its output lacks.
  run.status.Update(FlushStandardOutput());
  if (!run.status.ok()) {
    fprintf(stderr, "pvschedctl: %s\n", std::string(run.status.message()).c_str());
    return absl::IsInvalidArgument(run.status) ? 2 : 1;
  }
  return 0;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
