// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/scx_support.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "host-policy/loader/bpf_variables.h"
#include "host-policy/loader/own_objects.h"

namespace pvsched {
namespace {

using ::testing::HasSubstr;

// The BTF of a kernel that has only what the test adds.
class KernelBtf {
 public:
  KernelBtf() : btf_(btf__new_empty(), btf__free) {
    number_ = btf__add_int(btf_.get(), "int", 4, BTF_INT_SIGNED);
  }

  KernelBtf& SchedExt() {
    btf__add_struct(btf_.get(), "sched_ext_ops", 0);
    return *this;
  }

  KernelBtf& Function(const std::string& name, const std::vector<const char*>& arguments) {
    const int proto = btf__add_func_proto(btf_.get(), number_);
    for (const char* argument : arguments) btf__add_func_param(btf_.get(), argument, number_);
    btf__add_func(btf_.get(), name.c_str(), BTF_FUNC_GLOBAL, proto);
    return *this;
  }

  KernelBtf& AllFunctions() {
    return Function("scx_bpf_create_dsq", {"dsq_id", "node"})
        .Function("scx_bpf_kick_cpu", {"cpu", "flags"})
        .Function("scx_bpf_pick_idle_cpu", {"cpus", "flags"});
  }

  absl::Status Check() const { return CheckScxBtf(*btf_); }

 private:
  std::unique_ptr<btf, decltype(&btf__free)> btf_;
  int number_;
};

TEST(ScxSupportTest, KernelWithoutSchedExtIsRefused) {
  EXPECT_THAT(KernelBtf().AllFunctions().Check().message(), HasSubstr("has no sched_ext"));
}

TEST(ScxSupportTest, FlagIsFoundInEnumsOfBothWidths) {
  for (const bool wide : {false, true}) {
    const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__new_empty(), btf__free);
    if (wide) {
      btf__add_enum64(kernel.get(), "scx_ops_flags", 8, false);
      btf__add_enum64_value(kernel.get(), "SCX_OPS_ENQ_LAST", 2);
      btf__add_enum64_value(kernel.get(), "SCX_OPS_HIGH", 1ull << 40);
      EXPECT_EQ(ScxOpsFlag(*kernel, "SCX_OPS_HIGH"), 1ull << 40);
    } else {
      btf__add_enum(kernel.get(), "scx_ops_flags", 4);
      btf__add_enum_value(kernel.get(), "SCX_OPS_ENQ_LAST", 2);
    }
    EXPECT_EQ(ScxOpsFlag(*kernel, "SCX_OPS_ENQ_LAST"), 2u);
    EXPECT_EQ(ScxOpsFlag(*kernel, "SCX_OPS_ENQ"), 0u);
  }
}

TEST(ScxSupportTest, FlagIsZeroWithoutSchedExt) {
  const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__new_empty(), btf__free);
  EXPECT_EQ(ScxOpsFlag(*kernel, "SCX_OPS_ENQ_LAST"), 0u);
}

TEST(ScxSupportTest, KernelWithSchedExtIsAccepted) {
  EXPECT_EQ(KernelBtf().SchedExt().AllFunctions().Check(), absl::OkStatus());
}

TEST(ScxSupportTest, MissingFunctionIsNamed) {
  const absl::Status status =
      KernelBtf().SchedExt().Function("scx_bpf_create_dsq", {"dsq_id", "node"}).Check();
  EXPECT_THAT(status.message(), HasSubstr("scx_bpf_kick_cpu"));
}

TEST(ScxSupportTest, OpsFlagsAreAddedToTheSchedulersOwn) {
  const BpfObjectPtr object = OpenBpfObject(ScxObject());
  ASSERT_NE(object, nullptr);
  bpf_map* scheduler = bpf_object__find_map_by_name(object.get(), "pvs_scx_ops");
  ASSERT_NE(scheduler, nullptr);
  const btf& types = *bpf_object__btf(object.get());
  size_t size = 0;
  const auto* value = static_cast<const char*>(bpf_map__initial_value(scheduler, &size));
  const std::string before(value, size);
  ASSERT_TRUE(AddOpsFlags(*scheduler, types, uint64_t{1} << 40).ok());
  const std::string expected(value, size);
  // One byte differs: bit 40 is in byte 5 of the flags.
  size_t changed = 0;
  for (size_t i = 0; i < size; ++i) changed += before[i] != expected[i] ? 1 : 0;
  EXPECT_EQ(changed, 1u);
  ASSERT_TRUE(AddOpsFlags(*scheduler, types, 0).ok());
  EXPECT_EQ(std::string(value, size), expected);
}

// Debian's 7.2.12 has this BTF.
TEST(ScxSupportTest, VisibleHiddenArgumentIsRefused) {
  KernelBtf kernel;
  kernel.SchedExt()
      .Function("scx_bpf_create_dsq", {"dsq_id", "node", "aux"})
      .Function("scx_bpf_kick_cpu", {"cpu", "flags", "aux"})
      .Function("scx_bpf_pick_idle_cpu", {"cpus", "flags", "aux"});
  EXPECT_THAT(kernel.Check().message(), HasSubstr("BTF is broken (scx_bpf_create_dsq()"));
}

// Programs call the function without the argument; the verifier passes it to _impl.
TEST(ScxSupportTest, HiddenArgumentOfAnImplIsAccepted) {
  KernelBtf kernel;
  kernel.SchedExt()
      .Function("scx_bpf_create_dsq", {"dsq_id", "node", "aux"})
      .Function("scx_bpf_create_dsq_impl", {"dsq_id", "node", "aux"})
      .Function("scx_bpf_kick_cpu", {"cpu", "flags"})
      .Function("scx_bpf_pick_idle_cpu", {"cpus", "flags"});
  EXPECT_EQ(kernel.Check(), absl::OkStatus());
}

}  // namespace
}  // namespace pvsched
