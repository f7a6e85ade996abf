// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
// Variables of the real BPF objects, found by their BTF. The objects are opened and not
// loaded, which needs no privilege.
#include "host-policy/loader/bpf_variables.h"

#include <bpf/libbpf.h>

#include <cstddef>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "host-policy/bpf/scx/intf.h"
#include "host-policy/loader/own_objects.h"

namespace pvsched {
namespace {

TEST(BpfVariables, ConstantHasItsPlaceInRodata) {
  const BpfObjectPtr object = OpenBpfObject(HooksObject());
  ASSERT_NE(object, nullptr);
  const auto variable = FindBpfVariable(*object, "pvs_actuator");
  ASSERT_TRUE(variable.ok()) << variable.status();
  EXPECT_EQ(variable->map, bpf_object__find_map_by_name(object.get(), ".rodata"));
  EXPECT_EQ(variable->size, sizeof(uint32_t));
  EXPECT_FALSE(variable->is_signed);
}

TEST(BpfVariables, StructHasItsWholeSize) {
  const BpfObjectPtr object = OpenBpfObject(ScxObject());
  ASSERT_NE(object, nullptr);
  const auto variable = FindBpfVariable(*object, "pvs_scx_exit");
  ASSERT_TRUE(variable.ok()) << variable.status();
  EXPECT_EQ(variable->map, bpf_object__find_map_by_name(object.get(), kOwnVariables));
  EXPECT_EQ(variable->size, sizeof(pvs_scx_exit));
}

TEST(BpfVariables, OwnObjectsLeaveTheSectionsOfPoliciesFree) {
  for (const absl::string_view bytes : {HooksObject(), ScxObject()}) {
    const BpfObjectPtr object = OpenBpfObject(bytes);
    ASSERT_NE(object, nullptr);
    EXPECT_EQ(bpf_object__find_map_by_name(object.get(), ".bss"), nullptr);
    EXPECT_EQ(bpf_object__find_map_by_name(object.get(), ".data"), nullptr);
  }
}

TEST(BpfVariables, SetConstantIsReadBackAndLeavesItsNeighbours) {
  const BpfObjectPtr object = OpenBpfObject(ScxObject());
  ASSERT_NE(object, nullptr);
  ASSERT_TRUE(SetInitialValue(*object, "pvs_param_slice_max", 0x12345678).ok());
  ASSERT_TRUE(SetInitialValue(*object, "pvs_param_kthread_reenq_max", 0x01020304).ok());
  ASSERT_TRUE(SetInitialValue(*object, "pvs_actuator", 2).ok());
  EXPECT_EQ(InitialValue(*object, "pvs_param_slice_max").value(), 0x12345678);
  EXPECT_EQ(InitialValue(*object, "pvs_param_kthread_reenq_max").value(), 0x01020304);
  EXPECT_EQ(InitialValue(*object, "pvs_actuator").value(), 2);
}

TEST(BpfVariables, BytesOfAnotherSizeThanTheVariablesAreRefused) {
  const BpfObjectPtr object = OpenBpfObject(ScxObject());
  ASSERT_NE(object, nullptr);
  std::vector<std::byte> bytes(sizeof(pvs_topology));
  EXPECT_TRUE(SetInitialBytes(*object, "pvs_topology", bytes).ok());
  bytes.pop_back();
  EXPECT_FALSE(SetInitialBytes(*object, "pvs_topology", bytes).ok());
}

TEST(BpfVariables, UnknownVariableIsNamedInTheError) {
  const BpfObjectPtr object = OpenBpfObject(HooksObject());
  ASSERT_NE(object, nullptr);
  for (const absl::Status& status :
       {FindBpfVariable(*object, "pvs_none").status(), InitialValue(*object, "pvs_none").status(),
        SetInitialValue(*object, "pvs_none", 1)}) {
    EXPECT_TRUE(absl::IsNotFound(status));
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("pvs_none"));
  }
}

TEST(BpfVariables, StructHasNoIntegerValue) {
  const BpfObjectPtr object = OpenBpfObject(ScxObject());
  ASSERT_NE(object, nullptr);
  EXPECT_TRUE(absl::IsInternal(SetInitialValue(*object, "pvs_scx_exit", 1)));
  EXPECT_TRUE(absl::IsInternal(InitialValue(*object, "pvs_scx_exit").status()));
}

TEST(BpfVariables, BytesThatAreNoObjectAreRefused) {
  libbpf_set_print(nullptr);
  EXPECT_EQ(OpenBpfObject("not an ELF file"), nullptr);
}

// The loader finds programs and maps by name, at run time.
TEST(OwnObjects, BothHaveTheProgramsAndMapsThatTheLoaderUses) {
  for (const absl::string_view bytes : {HooksObject(), ScxObject()}) {
    const BpfObjectPtr object = OpenBpfObject(bytes);
    ASSERT_NE(object, nullptr);
    for (const char* name :
         {"pvs_kvm_vcpu_kick_73", "pvs_kvm_vcpu_kick_73_2nd", "pvs_kvm_vcpu_kick",
          "pvs_kvm_vcpu_kick_2nd", "pvs_kvm_vcpu_wake_up", "pvs_kvm_vcpu_wake_up_2nd",
          "pvs_kvm_vcpu_on_spin", "pvs_find_vcpus", "pvs_timer", "pvs_prepare_exec"}) {
      EXPECT_NE(bpf_object__find_program_by_name(object.get(), name), nullptr) << name;
    }
    for (const char* name :
         {"vcpu_bindings", "slots", "vm_tunables", "vm_waits", "watched", "decisions", "trace"}) {
      EXPECT_NE(bpf_object__find_map_by_name(object.get(), name), nullptr) << name;
    }
    for (const char* name : {"pvs_binds", "pvs_tracing", "pvs_actuator", "pvs_masks_preemption"}) {
      EXPECT_TRUE(FindBpfVariable(*object, name).ok()) << name;
    }
  }
}

TEST(OwnObjects, EachHasThePartsOfItsActuators) {
  const BpfObjectPtr hooks = OpenBpfObject(HooksObject());
  ASSERT_NE(hooks, nullptr);
  for (const char* name :
       {"pvs_kvm_exit", "pvs_kvm_vcpu_halt", "pvs_svm_handle_exit", "pvs_vmx_handle_exit"}) {
    EXPECT_NE(bpf_object__find_program_by_name(hooks.get(), name), nullptr) << name;
  }
  EXPECT_EQ(bpf_object__find_map_by_name(hooks.get(), "pvs_scx_ops"), nullptr);

  const BpfObjectPtr scx = OpenBpfObject(ScxObject());
  ASSERT_NE(scx, nullptr);
  for (const char* name : {"pvs_kvm_arch_init_vm", "pvs_rt_preempt"}) {
    EXPECT_NE(bpf_object__find_program_by_name(scx.get(), name), nullptr) << name;
  }
  // No VM's exit is slower under the scheduler, whatever a guest registers.
  for (const char* name : {"pvs_kvm_exit", "pvs_kvm_userspace_exit"}) {
    EXPECT_EQ(bpf_object__find_program_by_name(scx.get(), name), nullptr) << name;
  }
  for (const char* name : {"pvs_scx_ops", "cpu_ctxs"}) {
    EXPECT_NE(bpf_object__find_map_by_name(scx.get(), name), nullptr) << name;
  }
  for (const char* name : {"pvs_boot_boost_ns", "pvs_scx_exit", "pvs_topology"}) {
    EXPECT_TRUE(FindBpfVariable(*scx, name).ok()) << name;
  }
}

}  // namespace
}  // namespace pvsched
