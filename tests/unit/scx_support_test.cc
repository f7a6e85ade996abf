// SPDX-License-Identifier: Apache-2.0
#include "host-policy/loader/scx_support.h"

#include <bpf/btf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace pvsched {
namespace {

using ::testing::HasSubstr;

// A kernel's BTF with no more in it than what is asked for.
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

TEST(SchedulerSupportTest, KernelWithoutSchedExt) {
  EXPECT_THAT(KernelBtf().AllFunctions().Check().message(), HasSubstr("has no sched_ext"));
}

TEST(SchedulerSupportTest, FlagsOfBothWidths) {
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

TEST(SchedulerSupportTest, FlagOfAKernelWithoutSchedExt) {
  const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__new_empty(), btf__free);
  EXPECT_EQ(ScxOpsFlag(*kernel, "SCX_OPS_ENQ_LAST"), 0u);
}

TEST(SchedulerSupportTest, KernelThatHasIt) {
  EXPECT_EQ(KernelBtf().SchedExt().AllFunctions().Check(), absl::OkStatus());
}

TEST(SchedulerSupportTest, FunctionThatIsMissingIsNamed) {
  const absl::Status status =
      KernelBtf().SchedExt().Function("scx_bpf_create_dsq", {"dsq_id", "node"}).Check();
  EXPECT_THAT(status.message(), HasSubstr("scx_bpf_kick_cpu"));
}

// As Debian's 7.2.12 has them.
TEST(SchedulerSupportTest, HiddenArgumentThatIsShown) {
  KernelBtf kernel;
  kernel.SchedExt()
      .Function("scx_bpf_create_dsq", {"dsq_id", "node", "aux"})
      .Function("scx_bpf_kick_cpu", {"cpu", "flags", "aux"})
      .Function("scx_bpf_pick_idle_cpu", {"cpus", "flags", "aux"});
  EXPECT_THAT(kernel.Check().message(), HasSubstr("BTF is broken (scx_bpf_create_dsq()"));
}

// There the program calls one function and the kernel runs the other.
TEST(SchedulerSupportTest, HiddenArgumentWithAnImplementationOfItsOwn) {
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
