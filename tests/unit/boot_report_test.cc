// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include <cmath>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/boot-trace/report.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Shortened formats of a real kernel: names for VMX, for SVM and for exits to the VMM.
constexpr char kExitFormat[] =
    "name: kvm_exit\n"
    "\tfield:unsigned int exit_reason;\toffset:8;\tsize:4;\tsigned:0;\n"
    "print fmt: \"vcpu %u reason %s%s%s rip 0x%lx\", REC->vcpu_id, (REC->isa == 1) ? "
    "__print_symbolic(REC->exit_reason & 0xffff, { 0, \"EXCEPTION_NMI\" }, "
    "{ 30, \"IO_INSTRUCTION\" }, { 33, \"INVALID_STATE\" }) : "
    "__print_symbolic(REC->exit_reason, { 0x040 + 14, \"PF excp\" }, { 0x07b, \"io\" }, "
    "{ -1, \"invalid_guest_state\" }), (REC->isa == 1) ? "
    "__print_flags(REC->exit_reason & ~0xffff, \" \", { 0x80000000, \"FAILED_VMENTRY\" }) : \"\"";
constexpr char kUserspaceExitFormat[] =
    "print fmt: \"reason %s (%d)\", REC->errno < 0 ? (REC->errno == -4 ? \"restart\" : \"error\") "
    ": "
    "__print_symbolic(REC->reason, { 2, \"KVM_EXIT_\" \"IO\" }, { 6, \"KVM_EXIT_MMIO\" })";

ExitReasons Reasons() { return ExitReasons(kExitFormat, kUserspaceExitFormat); }

TEST(ExitReasons, HaveTheKernelsNames) {
  const ExitReasons reasons = Reasons();
  EXPECT_EQ(reasons.Name(PVS_BOOT_EXIT_VMX, 30), "IO_INSTRUCTION");
  EXPECT_EQ(reasons.Name(PVS_BOOT_EXIT_SVM, 0x7b), "io");
  EXPECT_EQ(reasons.Name(PVS_BOOT_EXIT_TO_VMM, 6), "MMIO");
}

TEST(ExitReasons, SumsNegativeNumbersAndConcatenatedNamesAreParsed) {
  const ExitReasons reasons = Reasons();
  EXPECT_EQ(reasons.Name(PVS_BOOT_EXIT_SVM, 0x4e), "PF excp");
  EXPECT_EQ(reasons.Name(PVS_BOOT_EXIT_SVM, 0xffffffff), "invalid_guest_state");
  EXPECT_EQ(reasons.Name(PVS_BOOT_EXIT_TO_VMM, 2), "IO");
}

TEST(ExitReasons, FailedEntryBitIsSplitFromTheReason) {
  EXPECT_EQ(Reasons().Name(PVS_BOOT_EXIT_VMX, 0x80000021), "INVALID_STATE, entry failed");
}

TEST(ExitReasons, WithoutANameAreShownAsNumbers) {
  EXPECT_EQ(Reasons().Name(PVS_BOOT_EXIT_SVM, 0x400), "reason 0x400");
  EXPECT_EQ(ExitReasons("", "").Name(PVS_BOOT_EXIT_VMX, 30), "reason 0x1e");
  EXPECT_EQ(ExitReasons("__print_symbolic(", "{").Name(PVS_BOOT_EXIT_VMX, 1), "reason 0x1");
}

TEST(SpreadOf, ComputesTheSampleDeviation) {
  const Spread spread = SpreadOf({4, 1, 1, 2});
  EXPECT_DOUBLE_EQ(spread.mean, 2);
  EXPECT_DOUBLE_EQ(spread.sd, std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(spread.min, 1);
  EXPECT_DOUBLE_EQ(spread.median, 1.5);
  EXPECT_DOUBLE_EQ(spread.max, 4);
}

TEST(SpreadOf, OneValueHasDeviationZero) { EXPECT_DOUBLE_EQ(SpreadOf({3}).sd, 0); }

constexpr uint64_t kMs = 1000000;

// A boot whose steps and counts are multiplied by `scale`. The VMM's exec is at 1 s.
BootRecord Boot(uint64_t scale) {
  const uint64_t exec = 1000 * kMs;
  BootRecord record;
  record.vmm = 1;
  record.vmms = 1;
  record.times.exec_at = exec;
  record.times.vcpu_made_at = exec + 10 * scale * kMs;
  record.times.tsc_zero_at = exec + 15 * scale * kMs;
  record.times.entered_at = exec + 20 * scale * kMs;
  record.times.first_exit_at = exec + 21 * scale * kMs;
  record.times.marked_at = exec + 100 * scale * kMs;
  record.times.ended_at = exec + 150 * scale * kMs;
  record.exits[{PVS_BOOT_EXIT_SVM, 0x7b}] = {{4, 10 * scale}, {20, 30 * scale}};
  record.exits[{PVS_BOOT_EXIT_SVM, 0x4e}] = {{4, 60 * scale}};
  record.exits[{PVS_BOOT_EXIT_TO_VMM, 2}] = {{4, 7 * scale}};
  return record;
}

TEST(RunJson, StepsAreDifferencesOfEventTimes) {
  const Json ms = RunJson(Boot(1), Reasons())["ms"];
  EXPECT_DOUBLE_EQ(ms["exec_to_vcpu_made"], 10);
  EXPECT_DOUBLE_EQ(ms["vcpu_made_to_vcpu_runs"], 10);
  EXPECT_DOUBLE_EQ(ms["vcpu_runs_to_userspace"], 80);
  EXPECT_DOUBLE_EQ(ms["userspace_to_end"], 50);
  EXPECT_DOUBLE_EQ(ms["exec_to_userspace"], 100);
  EXPECT_DOUBLE_EQ(ms["exec_to_end"], 150);
  EXPECT_DOUBLE_EQ(ms["tsc_zero_to_userspace"], 85);
}

TEST(RunJson, ExitsAreCountedByReasonAndOverTime) {
  const Json run = RunJson(Boot(1), Reasons());
  EXPECT_EQ(run["exits"]["total"], 100);
  EXPECT_EQ(run["exits"]["by_reason"]["io"], 40);
  EXPECT_EQ(run["exits_to_vmm"]["by_reason"]["IO"], 7);
  EXPECT_EQ(run["over_time"]["io"], Json::parse("[[20.0, 10], [100.0, 30]]"));
  EXPECT_FALSE(run["over_time"].contains("IO"));
}

TEST(RunJson, SoftwareKvmShowsExitsToTheVmmOverTime) {
  BootRecord record = Boot(1);
  std::erase_if(record.exits,
                [](const auto& exit) { return exit.first.kind == PVS_BOOT_EXIT_SVM; });
  const Json run = RunJson(record, Reasons());
  EXPECT_EQ(run["exits"]["total"], 0);
  EXPECT_EQ(run["over_time"]["IO"], Json::parse("[[20.0, 7]]"));
}

TEST(RunJson, FirstExitStandsInForAMissingEntry) {
  BootRecord record = Boot(1);
  record.times.entered_at = 0;
  EXPECT_DOUBLE_EQ(RunJson(record, Reasons())["ms"]["exec_to_vcpu_runs"], 21);
}

Json Report(const std::vector<std::vector<uint64_t>>& commands) {
  std::vector<Json> series;
  for (const auto& scales : commands) {
    std::vector<Json> runs;
    runs.reserve(scales.size());
    for (const uint64_t scale : scales) runs.push_back(RunJson(Boot(scale), Reasons()));
    series.push_back(SeriesJson("vmm", runs));
  }
  return ReportJson(0x80, series);
}

TEST(ReportJson, SummaryIsOfAllRuns) {
  const Json end = Report({{1, 3}})["commands"][0]["summary"]["exec_to_end"];
  EXPECT_DOUBLE_EQ(end["mean"], 300);
  EXPECT_DOUBLE_EQ(end["min"], 150);
  EXPECT_EQ(end["runs"], 2);
}

TEST(ReportJson, RatiosAreOfRunsWithTheSameIndex) {
  // The ratios are 2/1, 4/4 and 9/3; the ratio of the sums would be 15/8.
  const Json ratios = Report({{1, 4, 3}, {2, 4, 9}})["ratios"];
  EXPECT_DOUBLE_EQ(ratios["exec_to_end"]["median"], 2);
  EXPECT_DOUBLE_EQ(ratios["exec_to_end"]["min"], 1);
  EXPECT_DOUBLE_EQ(ratios["exits"]["max"], 3);
  EXPECT_FALSE(Report({{1}}).contains("ratios"));
}

TEST(ReportText, ShowsStepsReasonsAndTimeline) {
  const std::string text = ReportText(Report({{1, 3}}));
  EXPECT_THAT(text, HasSubstr("2 runs"));
  EXPECT_THAT(text, HasSubstr("exec -> user space       200"));
  EXPECT_THAT(text, HasSubstr("PF excp"));
  EXPECT_THAT(text, HasSubstr("60.0 %"));
  EXPECT_THAT(text, HasSubstr("#"));
  EXPECT_THAT(text, Not(HasSubstr("did not write")));
}

TEST(ReportText, ShowsRatiosOfTwoCommands) {
  const std::string text = ReportText(Report({{1, 2}, {2, 4}}));
  EXPECT_THAT(text, HasSubstr("A: vmm"));
  EXPECT_THAT(text, HasSubstr("B / A"));
  EXPECT_THAT(text, HasSubstr("exec -> end              2.000"));
}

TEST(ReportText, ExplainsAMissingMarkAndSeveralVmms) {
  BootRecord record = Boot(1);
  record.times.marked_at = 0;
  record.times.other_writes = 7;
  record.vmms = 2;
  const std::string text =
      ReportText(ReportJson(0x80, {SeriesJson("vmm", {RunJson(record, Reasons())})}));
  EXPECT_THAT(text, HasSubstr("did not write the mark to port 0x80, but other values 7 times"));
  EXPECT_THAT(text, HasSubstr("had 2 VMMs"));
}

}  // namespace
}  // namespace pvsched
