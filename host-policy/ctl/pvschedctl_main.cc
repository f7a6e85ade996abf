// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// pvschedctl shows what pvschedd does, and changes tunables and the policy.

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/errno_status.h"
#include "host-policy/ctl/admin_client.h"
#include "host-policy/ctl/config_commands.h"
#include "host-policy/ctl/invocation.h"
#include "host-policy/ctl/observe_commands.h"
#include "host-policy/ctl/perfetto.h"
#include "host-policy/ctl/tables.h"
#include "host-policy/ctl/tunable_commands.h"

namespace pvsched {
namespace {

volatile sig_atomic_t g_interrupted = 0;

// Without SA_RESTART, so that a signal ends a blocking read.
void EndOnInterrupt() {
  struct sigaction action = {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGALRM, &action, nullptr);
}

absl::Status LoadPolicy(const Invocation& run, const std::string& path) {
  const std::string absolute = path.empty() ? path : std::filesystem::absolute(path).string();
  return Print(run, {{"command", "policy load"}, {"path", absolute}}, PolicyText);
}

absl::Status PrintDump(const Invocation& run) {
  ASSIGN_OR_RETURN(const Json status,
                   AdminClient(run.socket_path).Ask({{"command", "scheduler status"}}));
  const std::string dump = ExitDump(status);
  if (run.as_json) {
    puts(Json{{"dump", dump}}.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    return absl::OkStatus();
  }
  if (dump.empty()) {
    return absl::NotFoundError("there is no dump: the kernel has ejected no scheduler of pvsched");
  }
  fputs(dump.c_str(), stdout);
  return absl::OkStatus();
}

absl::Status Top(const Invocation& run) {
  const AdminClient client(run.socket_path);
  EndOnInterrupt();
  ASSIGN_OR_RETURN(Json before, client.Ask({{"command", "stats"}}));
  for (int round = 0; run.rounds == 0 || round < run.rounds; ++round) {
    std::this_thread::sleep_for(std::chrono::duration<double>(run.interval));
    if (g_interrupted) return absl::OkStatus();
    ASSIGN_OR_RETURN(Json after, client.Ask({{"command", "stats"}}));
    if (!run.is_batch) fputs("\033[H\033[2J", stdout);
    fputs(TopTable(before, after, run.interval).c_str(), stdout);
    if (run.is_batch) puts("");
    fflush(stdout);
    before = std::move(after);
  }
  return absl::OkStatus();
}

void PrintDecision(const Json& decision) {
  printf("%.6f %s/%d %s -> %s (%s)\n", static_cast<double>(decision.value("ns", uint64_t{0})) / 1e9,
         decision.value("vm", "?").c_str(), decision.value("vcpu", 0),
         decision.value("before", "?").c_str(), decision.value("grant", "?").c_str(),
         decision.value("reason", "").c_str());
}

absl::Status Trace(const Invocation& run) {
  EndOnInterrupt();
  if (run.seconds > 0) alarm(static_cast<unsigned>(run.seconds));
  uint64_t decisions = 0;
  uint64_t dropped = 0;
  std::unique_ptr<FILE, int (*)(FILE*)> file(nullptr, fclose);
  std::unique_ptr<PerfettoWriter> writer;
  if (!run.path.empty()) {
    file.reset(fopen(run.path.c_str(), "w"));
    if (file == nullptr) return ErrnoStatus(errno, absl::StrCat("cannot write ", run.path));
    writer = std::make_unique<PerfettoWriter>(file.get());
    fprintf(stderr, "tracing%s; Ctrl-C ends the trace\n",
            run.seconds > 0 ? absl::StrCat(" for ", run.seconds, " s").c_str() : "");
  }
  absl::Status status = AdminClient(run.socket_path).Trace([&](const Json& decision) {
    ++decisions;
    dropped = decision.value("dropped", uint64_t{0});
    if (writer != nullptr) {
      writer->Add(decision);
    } else if (run.as_json) {
      puts(decision.dump().c_str());
    } else {
      PrintDecision(decision);
    }
    return g_interrupted == 0;
  });
  writer.reset();
  if (status.ok() && !run.path.empty()) {
    fprintf(stderr, "%lu decisions in %s (%lu were dropped); ui.perfetto.dev shows the file\n",
            decisions, run.path.c_str(), dropped);
  }
  return status;
}

void AddPolicyCommands(CLI::App& app, Invocation& run) {
  CLI::App* policy =
      AddGroup(app, "policy", "The policy: the function that proposes a vCPU's grant");
  AddShow(*policy, "show", "The policy in use", run, "policy show", PolicyText);
  CLI::App* load = policy->add_subcommand(
      "load", "Replace the policy. If the kernel refuses the new one, the old one stays.");
  load->add_option("FILE", run.path, "BPF object with a function pvs_policy")
      ->required()
      ->check(CLI::ExistingFile);
  load->final_callback([&run] { run.status = LoadPolicy(run, run.path); });
  policy->add_subcommand("reset", "Return to the default policy")->final_callback([&run] {
    run.status = LoadPolicy(run, "");
  });
}

void AddSchedulerCommands(CLI::App& app, Invocation& run) {
  CLI::App* scheduler =
      AddGroup(app, "scheduler", "pvsched's scheduler for the whole host (--actuator scx)");
  AddShow(*scheduler, "status", "Its counters, and why the kernel last ejected it", run,
          "scheduler status", SchedulerTable);
  scheduler->add_subcommand("dump", "The kernel's debug dump of the last ejection")
      ->final_callback([&run] { run.status = PrintDump(run); });
}

void AddMonitorCommands(CLI::App& app, Invocation& run) {
  AddShow(app, "stats", "Counters and wake-up latencies of every vCPU since its registration", run,
          "stats", StatsTable);
  CLI::App* top = app.add_subcommand("top", "The counters as rates, refreshed");
  top->add_option("-n,--rounds", run.rounds, "Rounds to print; 0: no limit")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  top->add_option("-d,--delay", run.interval, "Seconds between two rounds")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  top->add_flag("-b,--batch", run.is_batch, "Do not clear the screen, for output to a file");
  top->final_callback([&run] { run.status = Top(run); });
  CLI::App* trace = app.add_subcommand("trace", "Each decision and its reason, as it is made");
  trace->add_option("-s,--seconds", run.seconds, "Length of the trace; 0: until Ctrl-C")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  trace->add_option("-o,--output", run.path, "Write a file for ui.perfetto.dev instead");
  trace->final_callback([&run] { run.status = Trace(run); });
}

int Main(int argc, char** argv) {
  Invocation run;
  CLI::App app(
      "Shows what pvschedd does with the vCPUs of this host, and changes what it may do.\n"
      "Run it as root, while pvschedd runs.",
      "pvschedctl");
  app.set_version_flag("--version", PVSCHED_VERSION_STRING);
  app.add_option("--socket", run.socket_path, "pvschedd's admin socket")->capture_default_str();
  app.add_flag("--json", run.as_json, "Print JSON instead of a table");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Examples:\n"
      "  pvschedctl --json vcpu list\n"
      "  pvschedctl tunable set budget 500 --vm web1\n"
      "  pvschedctl trace --seconds 5 --output trace.json");
  CLI::App* vm = AddGroup(app, "vm", "Virtual machines with a pvsched device");
  AddShow(*vm, "list", "Every VM: its process, its registered vCPUs, how many are bound", run,
          "vm list", VmTable);
  CLI::App* vcpu = AddGroup(app, "vcpu", "vCPUs with a registered record");
  AddShow(*vcpu, "list", "Every vCPU: its thread, state, applied parameters and baseline", run,
          "vcpu list", VcpuTable);
  AddTunableCommands(app, run);
  AddProfileCommands(app, run);
  AddConfigCommands(app, run);
  AddPolicyCommands(app, run);
  AddSchedulerCommands(app, run);
  AddMonitorCommands(app, run);
  AddObserveCommands(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!run.status.ok()) {
    fprintf(stderr, "pvschedctl: %s\n", std::string(run.status.message()).c_str());
    return absl::IsInvalidArgument(run.status) ? 2 : 1;
  }
  return 0;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
