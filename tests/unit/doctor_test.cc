// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/ctl/doctor.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A host on which nothing is missing, as files in a directory.
class DoctorTest : public testing::Test {
 protected:
  void SetUp() override {
    host_.root = testing::TempDir() + "doctor-" + std::to_string(getpid());
    host_.release = "7.3.4+deb13-amd64";
    host_.user = "root";
    host_.qemu = "QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)";
    host_.stats = Json{{"actuator", {{"name", "kfunc"}}}, {"vms", 2}};
    host_.group = 120;
    host_.device_socket = "/run/pvsched/device.sock";
    Write("/sys/kernel/btf/vmlinux", "");
    Write("/boot/config-7.3.4+deb13-amd64",
          "CONFIG_BPF_SYSCALL=y\nCONFIG_BPF_JIT=y\nCONFIG_BPF_EVENTS=y\n"
          "# CONFIG_RT_GROUP_SCHED is not set\n");
    Write("/proc/kallsyms", "0000000000000000 T register_ftrace_direct\n");
    Write("/dev/kvm", "");
    Write("/sys/module/kvm_amd/parameters/avic", "N\n");
    Write("/sys/kernel/sched_ext/state", "disabled\n");
    Write("/sys/module/pvsched_host/refcnt", "0\n");
    Write("/sys/kernel/mm/transparent_hugepage/shmem_enabled",
          "always within_size [advise] never deny force\n");
    Write("/run/pvsched/device.sock", "");
  }
  void TearDown() override { std::filesystem::remove_all(host_.root); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(host_.root + path).parent_path());
    std::ofstream(host_.root + path) << text;
  }
  void Remove(const std::string& path) { std::filesystem::remove_all(host_.root + path); }

  // The finding of this name; there is one.
  Finding Find(const std::string& name) {
    std::vector<Finding> found = Examine(host_);
    std::erase_if(found, [&](const Finding& finding) { return finding.name != name; });
    EXPECT_EQ(found.size(), 1u) << name;
    return found.empty() ? Finding{} : found.front();
  }
  FindingState State(const std::string& name) { return Find(name).state; }

  DoctorHost host_;
};

TEST_F(DoctorTest, CompleteHostHasNoCost) {
  for (const Finding& finding : Examine(host_)) {
    EXPECT_EQ(finding.state, FindingState::kOk) << finding.name << ": " << finding.found;
    EXPECT_THAT(finding.cost, IsEmpty()) << finding.name;
    EXPECT_THAT(finding.advice, IsEmpty()) << finding.name;
  }
  EXPECT_FALSE(HasMissing(Examine(host_)));
}

TEST_F(DoctorTest, WhatPvschedNeedsIsMissing) {
  host_.release = "6.12.117+deb13-amd64";
  EXPECT_EQ(State("kernel"), FindingState::kMissing);
  host_.release = "7.3.4+deb13-amd64";
  Remove("/sys/kernel/btf");
  EXPECT_EQ(State("BTF"), FindingState::kMissing);
  Remove("/dev/kvm");
  EXPECT_EQ(State("KVM"), FindingState::kMissing);
  Write("/boot/config-7.3.4+deb13-amd64", "CONFIG_BPF_SYSCALL=y\n");
  EXPECT_EQ(State("kernel configuration"), FindingState::kMissing);
  host_.qemu = "QEMU emulator version 10.0.9 (Debian 1:10.0.9+ds-0+deb13u1)";
  EXPECT_EQ(State("QEMU"), FindingState::kMissing);
  EXPECT_TRUE(HasMissing(Examine(host_)));
}

TEST_F(DoctorTest, EachFindingThatIsNotOkHasCostOrAdvice) {
  Remove("/sys/module/pvsched_host");
  Remove("/sys/kernel/sched_ext");
  Remove("/sys/kernel/mm");
  Remove("/run");
  host_.group.reset();
  host_.stats = absl::UnavailableError("no socket");
  for (const char* name : {"kfunc", "sched_ext", "huge pages", "device socket", "pvschedd"}) {
    const Finding finding = Find(name);
    EXPECT_EQ(finding.state, FindingState::kLimited) << name;
    EXPECT_FALSE(finding.cost.empty()) << name;
  }
  EXPECT_FALSE(HasMissing(Examine(host_)));
}

TEST_F(DoctorTest, OldestKernelIsLimited) {
  host_.release = "6.13.12";
  EXPECT_EQ(State("kernel"), FindingState::kLimited);
}

TEST_F(DoctorTest, UnreadableConfigurationIsUnknown) {
  Remove("/boot");
  EXPECT_EQ(State("kernel configuration"), FindingState::kUnknown);
  Write("/lib/modules/7.3.4+deb13-amd64/config", "CONFIG_BPF_SYSCALL=y\n");
  EXPECT_EQ(State("kernel configuration"), FindingState::kMissing);
}

TEST_F(DoctorTest, RtGroupSchedulingIsNamedUnlessItIsOffByDefault) {
  const std::string config =
      "CONFIG_BPF_SYSCALL=y\nCONFIG_BPF_JIT=y\nCONFIG_BPF_EVENTS=y\nCONFIG_RT_GROUP_SCHED=y\n";
  Write("/boot/config-7.3.4+deb13-amd64", config);
  EXPECT_THAT(Find("kernel configuration").cost, HasSubstr("cgroups"));
  Write("/boot/config-7.3.4+deb13-amd64", config + "CONFIG_RT_GROUP_SCHED_DEFAULT_DISABLED=y\n");
  EXPECT_EQ(State("kernel configuration"), FindingState::kOk);
}

TEST_F(DoctorTest, KernelWithoutFentryIsLimited) {
  Write("/proc/kallsyms", "0000000000000000 T register_ftrace_direct_multi\n");
  EXPECT_EQ(State("fentry"), FindingState::kLimited);
  EXPECT_THAT(Find("interrupts").cost, HasSubstr("kvm_vcpu_kick"));
}

TEST_F(DoctorTest, HiddenInterruptsAreNamedWithTheirCure) {
  Write("/sys/module/kvm_intel/parameters/preemption_timer", "Y\n");
  EXPECT_EQ(State("interrupts"), FindingState::kLimited);
  EXPECT_THAT(Find("interrupts").cost, HasSubstr("preemption_timer=0"));
  EXPECT_THAT(Find("KVM").found, HasSubstr("kvm_intel.preemption_timer=Y"));
}

TEST_F(DoctorTest, OtherSchedulerIsNamedAndOwnSchedulerIsFine) {
  Write("/sys/kernel/sched_ext/state", "enabled\n");
  Write("/sys/kernel/sched_ext/root/ops", "lavd\n");
  host_.scx = absl::FailedPreconditionError("another sched_ext scheduler runs (lavd)");
  EXPECT_EQ(State("sched_ext"), FindingState::kLimited);
  EXPECT_THAT(Find("sched_ext").found, HasSubstr("lavd"));
  Write("/sys/kernel/sched_ext/root/ops", "pvsched\n");
  EXPECT_EQ(State("sched_ext"), FindingState::kOk);
}

TEST_F(DoctorTest, SmallPagesOfSharedMemoryAreNamed) {
  Write("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "always [never] deny\n");
  EXPECT_EQ(State("huge pages"), FindingState::kLimited);
}

TEST_F(DoctorTest, UserWhoMayNotAskIsToldToBeRoot) {
  host_.user = "alice";
  host_.stats = absl::PermissionDeniedError("denied");
  EXPECT_EQ(State("pvschedd"), FindingState::kUnknown);
  EXPECT_THAT(Find("pvschedd").found, HasSubstr("alice"));
  EXPECT_THAT(Find("pvschedd").advice, HasSubstr("root"));
}

TEST_F(DoctorTest, DeviceSocketMustBeOpenToLibvirtsUser) {
  struct stat info = {};
  const std::string path = host_.root + host_.device_socket;
  ASSERT_EQ(chmod(path.c_str(), 0660), 0);
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  host_.vmm_user = "libvirt-qemu";
  host_.vmm_groups = {info.st_gid + 1};
  EXPECT_EQ(State("device socket"), FindingState::kLimited);
  host_.vmm_groups.push_back(info.st_gid);
  EXPECT_EQ(State("device socket"), FindingState::kOk);
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(State("device socket"), FindingState::kLimited);
}

TEST_F(DoctorTest, AppArmorNeedsARuleForTheSocket) {
  Write("/sys/module/apparmor/parameters/enabled", "Y\n");
  EXPECT_EQ(State("AppArmor"), FindingState::kOk) << "without libvirt";
  Write("/etc/apparmor.d/abstractions/libvirt-qemu", "");
  EXPECT_EQ(State("AppArmor"), FindingState::kLimited);
  Write("/etc/apparmor.d/abstractions/libvirt-qemu.d/local", "/run/pvsched/*.sock rw,\n");
  EXPECT_EQ(State("AppArmor"), FindingState::kOk);
}

TEST_F(DoctorTest, NewEnoughQemuIsComparedByNumber) {
  host_.qemu = "QEMU emulator version 10.1.0";
  EXPECT_EQ(State("QEMU"), FindingState::kOk);
  host_.qemu = "QEMU emulator version 9.2.0";
  EXPECT_EQ(State("QEMU"), FindingState::kMissing);
  host_.qemu = "";
  EXPECT_EQ(State("QEMU"), FindingState::kUnknown);
}

TEST_F(DoctorTest, TextAndJsonHaveEachFinding) {
  Remove("/dev/kvm");
  const std::vector<Finding> findings = Examine(host_);
  const std::string text = FindingsText(findings);
  EXPECT_THAT(text, HasSubstr("missing  KVM: no /dev/kvm\n         cost: "));
  EXPECT_THAT(text, HasSubstr("pvsched does not work on this host"));
  const Json json = FindingsJson(findings);
  EXPECT_EQ(json["can_work"], false);
  EXPECT_EQ(json["findings"].size(), findings.size());
  EXPECT_EQ(json["findings"][0]["state"], "ok");
}

TEST(ReadHostTest, ThisHostCanBeExaminedWithoutPvschedd) {
  const DoctorHost host = ReadHost("/nowhere/admin.sock", "/nowhere/device.sock");
  EXPECT_FALSE(host.release.empty());
  EXPECT_FALSE(host.stats.ok());
  EXPECT_FALSE(Examine(host).empty());
}

}  // namespace
}  // namespace pvsched
