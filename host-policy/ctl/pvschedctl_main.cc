// SPDX-License-Identifier: Apache-2.0
// pvschedctl: shows an admin what pvschedd does, and sets what it may.

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "host-policy/ctl/admin_client.h"
#include "host-policy/ctl/perfetto.h"
#include "host-policy/ctl/tables.h"
#include "host-policy/daemon/tunables.h"

namespace pvsched {
namespace {

volatile sig_atomic_t g_interrupted = 0;

// Without SA_RESTART, so that a blocking read ends.
void EndOnInterrupt() {
  struct sigaction action = {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGALRM, &action, nullptr);
}

struct Options {
  std::string socket_path = "/run/pvsched/admin.sock";
  bool as_json = false;
  std::string vm;
  std::string name;
  std::string value;
  int rounds = 0;
  double interval = 1.0;
  bool is_batch = false;
  int seconds = 0;
  std::string output;
  bool as_markdown = false;
};

absl::Status Print(const Options& options, const Json& request, std::string (*table)(const Json&)) {
  absl::StatusOr<Json> result = AdminClient(options.socket_path).Ask(request);
  if (!result.ok()) return result.status();
  fputs(options.as_json ? (result->dump(2) + "\n").c_str() : table(*result).c_str(), stdout);
  return absl::OkStatus();
}

absl::Status GetTunable(const Options& options) {
  if (absl::StatusOr<size_t> index = FindTunable(options.name); !index.ok()) return index.status();
  absl::StatusOr<Json> list =
      AdminClient(options.socket_path).Ask({{"command", "tunable list"}, {"vm", options.vm}});
  if (!list.ok()) return list.status();
  for (const Json& tunable : *list) {
    if (tunable.value("name", "") != options.name) continue;
    puts(options.as_json ? tunable.dump(2).c_str() : tunable.value("value", "").c_str());
  }
  return absl::OkStatus();
}

absl::Status Top(const Options& options) {
  const AdminClient client(options.socket_path);
  EndOnInterrupt();
  absl::StatusOr<Json> before = client.Ask({{"command", "stats"}});
  for (int round = 0; options.rounds == 0 || round < options.rounds; ++round) {
    if (!before.ok()) return before.status();
    std::this_thread::sleep_for(std::chrono::duration<double>(options.interval));
    if (g_interrupted) return absl::OkStatus();
    absl::StatusOr<Json> after = client.Ask({{"command", "stats"}});
    if (!after.ok()) return after.status();
    if (!options.is_batch) fputs("\033[H\033[2J", stdout);
    fputs(TopTable(*before, *after, options.interval).c_str(), stdout);
    if (options.is_batch) puts("");
    fflush(stdout);
    before = std::move(after);
  }
  return absl::OkStatus();
}

absl::Status Trace(const Options& options) {
  EndOnInterrupt();
  if (options.seconds > 0) alarm(static_cast<unsigned>(options.seconds));
  uint64_t decisions = 0;
  uint64_t dropped = 0;
  std::unique_ptr<FILE, int (*)(FILE*)> file(nullptr, fclose);
  std::unique_ptr<PerfettoWriter> writer;
  if (!options.output.empty()) {
    file.reset(fopen(options.output.c_str(), "w"));
    if (file == nullptr) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", options.output));
    }
    writer = std::make_unique<PerfettoWriter>(file.get());
    fprintf(stderr, "tracing%s; Ctrl-C ends it\n",
            options.seconds > 0 ? absl::StrCat(" for ", options.seconds, " s").c_str() : "");
  }
  absl::Status status = AdminClient(options.socket_path).Trace([&](const Json& decision) {
    ++decisions;
    dropped = decision.value("dropped", uint64_t{0});
    if (writer != nullptr) {
      writer->Add(decision);
    } else if (options.as_json) {
      puts(decision.dump().c_str());
    } else {
      printf("%.6f %s/%d %s -> %s (%s)\n",
             static_cast<double>(decision.value("ns", uint64_t{0})) / 1e9,
             decision.value("vm", "?").c_str(), decision.value("vcpu", 0),
             decision.value("before", "?").c_str(), decision.value("grant", "?").c_str(),
             decision.value("reason", "").c_str());
    }
    return g_interrupted == 0;
  });
  writer.reset();
  if (status.ok() && !options.output.empty()) {
    fprintf(stderr, "%lu decisions in %s (%lu were dropped); open it at ui.perfetto.dev\n",
            decisions, options.output.c_str(), dropped);
  }
  return status;
}

int Main(int argc, char** argv) {
  Options options;
  absl::Status status;
  CLI::App app("Shows what pvschedd does, and sets what it may do. Run as root.", "pvschedctl");
  app.set_version_flag("--version", PVSCHED_VERSION_STRING);
  app.add_option("--socket", options.socket_path, "Where pvschedd listens")->capture_default_str();
  app.add_flag("--json", options.as_json, "Print JSON instead of a table");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Examples:\n"
      "  pvschedctl --json vcpu list\n"
      "  pvschedctl tunable set budget 500 --vm web1\n"
      "  pvschedctl trace --seconds 5 --output trace.json");

  CLI::App* vm = app.add_subcommand("vm", "Virtual machines with a pvsched device");
  vm->require_subcommand(1);
  vm->add_subcommand("list", "Every VM: its process, vCPUs with a record, threads known")
      ->final_callback([&] { status = Print(options, {{"command", "vm list"}}, VmTable); });
  CLI::App* vcpu = app.add_subcommand("vcpu", "Their vCPUs");
  vcpu->require_subcommand(1);
  vcpu->add_subcommand("list", "Every vCPU: its thread, state, what it is given, what is its own")
      ->final_callback([&] { status = Print(options, {{"command", "vcpu list"}}, VcpuTable); });

  CLI::App* tunable = app.add_subcommand("tunable", "Caps, budgets and priorities");
  tunable->require_subcommand(1);
  CLI::App* list = tunable->add_subcommand("list", "Every tunable, its value and what it does");
  list->add_option("--vm", options.vm, "As it is for this VM");
  list->add_flag("--markdown", options.as_markdown, "Every tunable there is, as docs/tunables.md");
  list->final_callback([&] {
    if (options.as_markdown) {
      fputs(TunablesAsMarkdown().c_str(), stdout);
      return;
    }
    status = Print(options, {{"command", "tunable list"}, {"vm", options.vm}}, TunableTable);
  });
  CLI::App* get = tunable->add_subcommand("get", "One value");
  get->add_option("NAME", options.name, "See tunable list")->required();
  get->add_option("--vm", options.vm, "As it is for this VM");
  get->final_callback([&] { status = GetTunable(options); });
  CLI::App* set = tunable->add_subcommand(
      "set",
      "Change a value, at once and until pvschedd ends (the configuration file is for good)");
  set->add_option("NAME", options.name, "See tunable list")->required();
  set->add_option("VALUE", options.value, "In the tunable's unit")->required();
  set->add_option("--vm", options.vm, "For this VM only");
  set->final_callback([&] {
    absl::StatusOr<Json> result = AdminClient(options.socket_path)
                                      .Ask({{"command", "tunable set"},
                                            {"name", options.name},
                                            {"value", options.value},
                                            {"vm", options.vm}});
    status = result.status();
  });

  CLI::App* policy = app.add_subcommand("policy", "The function that decides");
  policy->require_subcommand(1);
  const auto policy_text = [](const Json& json) { return json.value("policy", "?") + "\n"; };
  policy->add_subcommand("show", "Which one runs")->final_callback([&] {
    status = Print(options, {{"command", "policy show"}}, policy_text);
  });
  CLI::App* load = policy->add_subcommand(
      "load", "Put a policy of your own in place; one that is refused leaves the old one");
  load->add_option("FILE", options.output, "BPF object, see docs/policy.md")
      ->required()
      ->check(CLI::ExistingFile);
  load->final_callback([&] {
    status = Print(
        options,
        {{"command", "policy load"}, {"path", std::filesystem::absolute(options.output).string()}},
        policy_text);
  });
  policy->add_subcommand("reset", "Back to the default one")->final_callback([&] {
    status = Print(options, {{"command", "policy load"}, {"path", ""}}, policy_text);
  });

  CLI::App* scheduler =
      app.add_subcommand("scheduler", "The host's scheduler, with --actuator scx");
  scheduler->require_subcommand(1);
  scheduler->add_subcommand("status", "Whether it runs, what it did, why it last ended")
      ->final_callback(
          [&] { status = Print(options, {{"command", "scheduler status"}}, SchedulerTable); });

  app.add_subcommand("stats", "Counters of every vCPU since it was registered, and its wake-ups")
      ->final_callback([&] { status = Print(options, {{"command", "stats"}}, StatsTable); });
  CLI::App* top = app.add_subcommand("top", "The same as rates, again and again");
  top->add_option("-n,--rounds", options.rounds, "End after so many; 0: never")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  top->add_option("-d,--delay", options.interval, "Seconds between two")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  top->add_flag("-b,--batch", options.is_batch, "One below the other, for a file");
  top->final_callback([&] { status = Top(options); });
  CLI::App* trace = app.add_subcommand("trace", "Decisions as they are made, with their reasons");
  trace->add_option("-s,--seconds", options.seconds, "End after so long; 0: at Ctrl-C")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  trace->add_option("-o,--output", options.output, "Write a trace for ui.perfetto.dev instead");
  trace->final_callback([&] { status = Trace(options); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!status.ok()) {
    fprintf(stderr, "pvschedctl: %s\n", std::string(status.message()).c_str());
    return absl::IsInvalidArgument(status) ? 2 : 1;
  }
  return 0;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
