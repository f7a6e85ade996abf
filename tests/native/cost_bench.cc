// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// pvsched-cost-bench measures the cost of pvsched on this machine's own kernel and KVM.
// Rounds are interleaved, so that each value has a peer of the same round.

#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "nlohmann/json.hpp"
#include "tests/native/guest_hooks_bench.h"
#include "tests/native/host_daemon.h"
#include "tests/native/mini_vm.h"
#include "tests/native/program_cost.h"

namespace pvsched {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Spread {
  double median, low, high;
};

Spread SpreadOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

Json Show(const char* what, const Spread& spread, const char* unit) {
  printf("  %-44s %9.3f  (%.3f .. %.3f) %s\n", what, spread.median, spread.low, spread.high, unit);
  return {{"median", spread.median}, {"min", spread.low}, {"max", spread.high}};
}

void PinTo(pid_t tid, int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  sched_setaffinity(tid, sizeof(cpus), &cpus);
}

// Nanoseconds from one exit to the next, for a vCPU that only exits.
double RoundTripNs(const MiniVm& vm, std::chrono::milliseconds time) {
  const uint64_t exits = vm.exits(0);
  const auto start = Clock::now();
  std::this_thread::sleep_for(time);
  const std::chrono::duration<double, std::nano> took = Clock::now() - start;
  return took.count() / static_cast<double>(vm.exits(0) - exits);
}

std::unique_ptr<MiniVm> RunningVm(int vcpus, std::chrono::microseconds pause) {
  auto vm = MiniVm::Create(vcpus);
  if (!vm.ok()) {
    fprintf(stderr, "pvsched-cost-bench: this machine runs no guest: %s\n",
            std::string(vm.status().message()).c_str());
    exit(1);
  }
  (*vm)->SetPause(pause);
  (*vm)->Run();
  return *std::move(vm);
}

std::unique_ptr<ControlConnection> Device(const HostDaemon& daemon) {
  auto connection = std::make_unique<ControlConnection>(daemon.path("device.sock"));
  if (!connection->connected() || connection->Hello(getpid(), "bench") != 0) {
    fprintf(stderr, "pvsched-cost-bench: pvschedd refuses: %s\n", connection->reason().c_str());
    exit(1);
  }
  return connection;
}

void Register(ControlConnection& device, MiniVm& vm, int vcpu, uint32_t id) {
  if (device.Register(id, vm.memory(), MiniVm::record_offset(vcpu)) != 0 ||
      device.Thread(id, vm.tid(vcpu)) != 0) {
    fprintf(stderr, "pvsched-cost-bench: vCPU %u: %s\n", id, device.reason().c_str());
    exit(1);
  }
}

void Start(HostDaemon& daemon, const char* tunables = "") {
  const std::string quiet = daemon.path("quiet.toml");
  std::ofstream(quiet) << "[host]\nlog-level = \"error\"\n" << tunables;
  // Every kernel supports this actuator.
  if (!daemon.Start({"--config", quiet, "--actuator", "agent"})) exit(1);
  unlink(quiet.c_str());
}

Json ExitRoundTrip(int rounds) {
  printf("Round trip of an exit (OUT to user space and back):\n");
  const auto vm = RunningVm(1, std::chrono::microseconds(0));
  PinTo(vm->tid(0), 0);
  PinTo(0, 1);
  HostDaemon daemon;
  const std::chrono::milliseconds time(400);
  std::vector<double> without, unknown, registered, idle_over, busy_over;
  RoundTripNs(*vm, time);
  for (int i = 0; i < rounds; ++i) {
    // The mean of before and after cancels a drift over the round.
    double base = RoundTripNs(*vm, time);
    Start(daemon);
    const double attached = RoundTripNs(*vm, time);
    double served = 0;
    {
      auto device = Device(daemon);
      Register(*device, *vm, 0, 0);
      served = RoundTripNs(*vm, time);
    }
    daemon.Stop(SIGTERM);
    base = (base + RoundTripNs(*vm, time)) / 2;
    without.push_back(base);
    idle_over.push_back(attached / base);
    busy_over.push_back(served / base);
  }
  Json json;
  json["without_ns"] = Show("without pvschedd", SpreadOf(without), "ns");
  json["unknown_ratio"] = Show("with pvschedd, VM without the driver", SpreadOf(idle_over), "x");
  json["registered_ratio"] = Show("with pvschedd, vCPU registered", SpreadOf(busy_over), "x");
  return json;
}

double StatusMib(pid_t pid, const std::string& field) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1)) / 1024;
  }
  return 0;
}

// A VM in its own process, because pvschedd requires one process per VM. The destructor kills it.
class VmProcess {
 public:
  // The vCPUs run when the constructor returns.
  VmProcess(const HostDaemon& daemon, int vcpus, std::chrono::microseconds pause) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) exit(1);
    parent_ = UniqueFd(ends[0]);
    UniqueFd child(ends[1]);
    pid_ = fork();
    if (pid_ == 0) Child(daemon, vcpus, pause, child.get());
    child.reset();
    Await();
  }
  VmProcess(const VmProcess&) = delete;
  VmProcess& operator=(const VmProcess&) = delete;
  ~VmProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  // Registers all vCPUs; returns the time in us.
  double Register() {
    if (write(parent_.get(), "r", 1) != 1) exit(1);
    return Await();
  }

 private:
  [[noreturn]] static void Child(const HostDaemon& daemon, int vcpus,
                                 std::chrono::microseconds pause, int parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto vm = RunningVm(vcpus, pause);
    double us = 0;
    char go;
    if (write(parent, &us, sizeof(us)) != sizeof(us) || read(parent, &go, 1) != 1) _exit(1);
    const auto device = Device(daemon);
    const auto start = Clock::now();
    for (int i = 0; i < vcpus; ++i) pvsched::Register(*device, *vm, i, static_cast<uint32_t>(i));
    us = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
    if (write(parent, &us, sizeof(us)) != sizeof(us)) _exit(1);
    while (true) ::pause();
  }

  double Await() {
    double us;
    // The child printed its error.
    if (read(parent_.get(), &us, sizeof(us)) != sizeof(us)) exit(1);
    return us;
  }

  pid_t pid_ = 0;
  UniqueFd parent_;
};

// The cost of an event for each number of vCPUs, at a constant total rate of events. `sizes`
// counts `unit`s: vCPUs, or VMs of one vCPU.
Json Scale(int rounds, const char* unit, int vcpus_per_vm, const std::vector<int>& sizes) {
  printf("Cost of an event by number of %ss (20000 exits a second in total):\n", unit);
  const UniqueFd stats = AccountProgramCosts();
  if (!stats) {
    fprintf(stderr, "pvsched-cost-bench: the kernel does not account BPF run time\n");
    exit(1);
  }
  std::map<int, std::vector<double>> costs;
  std::vector<double> registration_us, memory_kib;
  for (int round = 0; round < rounds; ++round) {
    for (int size : sizes) {
      const std::chrono::microseconds pause(size * 50);
      HostDaemon daemon;
      Start(daemon);
      const double rss = StatusMib(daemon.pid(), "VmRSS");
      std::vector<std::unique_ptr<VmProcess>> guests;
      for (int left = size; left > 0; left -= vcpus_per_vm) {
        guests.push_back(std::make_unique<VmProcess>(daemon, std::min(left, vcpus_per_vm), pause));
      }
      double took_us = 0;
      for (const auto& guest : guests) took_us += guest->Register();
      if (size == sizes.back()) {
        registration_us.push_back(took_us / size);
        memory_kib.push_back((StatusMib(daemon.pid(), "VmRSS") - rss) * 1024 / size);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      const ProgramCost before = ProgramCosts()["pvs_kvm_userspa"];
      std::this_thread::sleep_for(std::chrono::seconds(1));
      const ProgramCost after = ProgramCosts()["pvs_kvm_userspa"];
      costs[size].push_back(
          ProgramCost{.runs = after.runs - before.runs, .ns = after.ns - before.ns}.mean_ns());
      guests.clear();
      daemon.Stop(SIGTERM);
    }
  }
  Json json;
  for (int size : sizes) {
    std::vector<double> ratios;
    ratios.reserve(costs[size].size());
    for (size_t i = 0; i < costs[size].size(); ++i) {
      ratios.push_back(costs[size][i] / costs[sizes.front()][i]);
    }
    const std::string name = std::to_string(size) + " " + unit + (size > 1 ? "s" : "");
    json["event_ns"][std::to_string(size)] =
        Show((name + ", program on exit").c_str(), SpreadOf(costs[size]), "ns");
    json["event_ratio"][std::to_string(size)] =
        Show((name + ", ratio to one").c_str(), SpreadOf(ratios), "x");
  }
  json["registration_us"] =
      Show((std::string("registration of a ") + unit).c_str(), SpreadOf(registration_us), "us");
  json["memory_kib"] =
      Show((std::string("pvschedd's memory for a ") + unit).c_str(), SpreadOf(memory_kib), "KiB");
  return json;
}

Json BpfObject() {
  printf(
      "Mean time of each program (a vCPU exits continuously, with and without a boost in turn):\n");
  const UniqueFd stats = AccountProgramCosts();
  const auto vm = RunningVm(2, std::chrono::microseconds(100));
  HostDaemon daemon;
  Start(daemon);
  auto device = Device(daemon);
  for (int i = 0; i < 2; ++i) Register(*device, *vm, i, static_cast<uint32_t>(i));
  for (int i = 0; i < 200; ++i) {
    vm->SetIntent(0, i % 2 != 0 ? pvsched_word(PVSCHED_POLICY_RR, 0, 8, 0) : 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  Json json;
  for (const auto& [name, cost] : ProgramCosts()) {
    printf("  %-44s %9.0f ns, %llu runs\n", name.c_str(), cost.mean_ns(),
           static_cast<unsigned long long>(cost.runs));
    json[name] = {{"mean_ns", cost.mean_ns()}, {"runs", cost.runs}};
  }
  device.reset();
  daemon.Stop(SIGTERM);
  return json;
}

// The rate of grants that one agent applies. The guests change their intent at each exit. With
// negative nice values and an unlimited budget, pvschedd refuses none. A vCPU that sleeps in
// between first returns to its baseline, which counts as another grant.
Json Decisions(int rounds) {
  printf("Grants that the agent applies, by the rate at which guests change their intent:\n");
  constexpr int kVcpus = 16;
  constexpr int kRates[] = {1000, 4000, 16000, 64000};
  std::map<int, std::vector<double>> asked, applied;
  for (int round = 0; round < rounds; ++round) {
    for (int rate : kRates) {
      HostDaemon daemon;
      Start(daemon, "min-nice = -20\nwindow = 60000\nbudget = 60000\n");
      auto vm = MiniVm::Create(kVcpus);
      if (!vm.ok()) exit(1);
      // Reading the count takes the agent's time, so the guests pause meanwhile.
      std::atomic<bool> asks = false;
      std::atomic<uint64_t> count = 0;
      (*vm)->SetOnExit([&, turns = std::array<int, kVcpus>()](int i) mutable {
        if (!asks) return;
        int& turn = turns[static_cast<size_t>(i)];
        turn = 1 - turn;
        (*vm)->SetIntent(i, pvsched_word(PVSCHED_POLICY_NORMAL, turn != 0 ? -5 : -10, 0, 0));
        ++count;
      });
      (*vm)->SetPause(std::chrono::microseconds(1'000'000LL * kVcpus / rate));
      (*vm)->Run();
      auto device = Device(daemon);
      for (int i = 0; i < kVcpus; ++i) Register(*device, **vm, i, static_cast<uint32_t>(i));
      const auto calls = [&daemon] {
        return daemon.Ctl("stats")["actuator"]["calls"].get<double>();
      };
      const double before = calls();
      const auto start = Clock::now();
      asks = true;
      std::this_thread::sleep_for(std::chrono::seconds(1));
      asks = false;
      const std::chrono::duration<double> took = Clock::now() - start;
      asked[rate].push_back(static_cast<double>(count) / took.count());
      applied[rate].push_back((calls() - before) / took.count());
      device.reset();
      daemon.Stop(SIGTERM);
    }
  }
  Json json;
  for (int rate : kRates) {
    const std::string name = std::to_string(rate) + " wanted, ";
    json["rates"].push_back(
        {{"wanted_per_s", rate},
         {"asked_per_s", Show((name + "asked for").c_str(), SpreadOf(asked[rate]), "a second")},
         {"applied_per_s", Show((name + "applied").c_str(), SpreadOf(applied[rate]), "a second")}});
  }
  return json;
}

Json GuestHooks(int rounds) {
  printf("The driver's code at a wake-up and a switch, compared with the kernel's:\n");
  std::vector<double> hooks, kernel, ratios;
  for (int i = 0; i < rounds; ++i) {
    hooks.push_back(GuestHookNs());
    kernel.push_back(WakeAndSwitchNs(0));
    ratios.push_back(hooks.back() / kernel.back());
  }
  Json json;
  json["hooks_ns"] = Show("the driver's code", SpreadOf(hooks), "ns");
  json["kernel_ns"] = Show("a wake-up and a switch, through pipes", SpreadOf(kernel), "ns");
  json["ratio"] = Show("ratio", SpreadOf(ratios), "x");
  return json;
}

int Main(int argc, char** argv) {
  CLI::App app("Measures the cost of pvsched on this machine's own kernel and KVM.",
               "pvsched-cost-bench");
  int rounds = 11;
  std::string file, only;
  app.add_option("--rounds", rounds, "interleaved rounds; the output shows medians and extremes")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  app.add_option("--only", only, "measure this part only")
      ->check(CLI::IsMember({"exits", "programs", "guest-hooks", "scale", "vms", "decisions"}));
  app.add_option("--json", file, "also write the figures to this file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (const std::string why = WhyNoHost(); !why.empty()) {
    fprintf(stderr, "pvsched-cost-bench: %s\n", why.c_str());
    return 1;
  }
  Json json;
  const auto wants = [&only](const char* part) { return only.empty() || only == part; };
  if (wants("exits")) json["exit_round_trip"] = ExitRoundTrip(rounds);
  if (wants("programs")) json["programs"] = BpfObject();
  if (wants("guest-hooks")) json["guest_hooks"] = GuestHooks(rounds);
  if (wants("scale")) json["scale"] = Scale(rounds, "vCPU", 32, {1, 10, 100, 1000});
  if (wants("vms")) json["vms"] = Scale(rounds, "VM", 1, {1, 10, 100});
  if (wants("decisions")) json["decisions"] = Decisions(rounds);
  if (!file.empty()) std::ofstream(file) << json.dump(1) << "\n";
  return 0;
}

}  // namespace
}  // namespace pvsched

int main(int argc, char** argv) { return pvsched::Main(argc, argv); }
