// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
#include "host-policy/loader/topology.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pvsched {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TopologyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sysfs_ = ::testing::TempDir() + absl::StrCat("/topology.",
                                                 ::testing::UnitTest::GetInstance()->random_seed(),
                                                 ".", getpid(), "/");
    std::filesystem::remove_all(sysfs_);
  }
  void TearDown() override { std::filesystem::remove_all(sysfs_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = sysfs_ + "/devices/system/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }

  void Possible(const std::string& cpus, const std::string& nodes) {
    Write("cpu/possible", cpus);
    Write("node/possible", nodes);
  }

  void Cpu(uint32_t cpu, const std::string& core, const std::string& llc) {
    const std::string dir = absl::StrCat("cpu/cpu", cpu);
    Write(dir + "/topology/thread_siblings_list", core);
    Write(dir + "/cache/index0/level", "1");
    Write(dir + "/cache/index0/shared_cpu_list", core);
    Write(dir + "/cache/index1/level", "3");
    Write(dir + "/cache/index1/shared_cpu_list", llc);
  }

  static std::vector<int> Order(const pvs_topology& topology, pvs_cpu_span span) {
    return {topology.order + span.first, topology.order + span.first + span.nr};
  }

  std::string sysfs_;
};

TEST_F(TopologyTest, InterleavedSiblingsAndNodesAreOrderedByNodeLlcAndCore) {
  Possible("0-7", "0-1");
  Write("node/node0/cpulist", "0,2,4,6");
  Write("node/node1/cpulist", "1,3,5,7");
  for (const uint32_t cpu : {0, 4}) Cpu(cpu, "0,4", "0,4");
  for (const uint32_t cpu : {2, 6}) Cpu(cpu, "2,6", "2,6");
  for (const uint32_t cpu : {1, 5}) Cpu(cpu, "1,5", "1,3,5,7");
  for (const uint32_t cpu : {3, 7}) Cpu(cpu, "3,7", "1,3,5,7");
  const absl::StatusOr<pvs_topology> topology = ReadTopology(sysfs_);
  ASSERT_TRUE(topology.ok()) << topology.status();
  EXPECT_EQ(topology->nr_llcs, 3);
  EXPECT_THAT(Order(*topology, topology->nodes[0]), ElementsAre(0, 4, 2, 6));
  EXPECT_THAT(Order(*topology, topology->nodes[1]), ElementsAre(1, 5, 3, 7));
  EXPECT_THAT(Order(*topology, topology->llcs[1]), ElementsAre(2, 6));
  EXPECT_EQ(topology->llc_of[6], 1);
  EXPECT_EQ(topology->position_of[6], 3);
  EXPECT_EQ(topology->node_of_llc[2], 1);
  EXPECT_EQ(topology->node_llcs[0].nr, 2);
  EXPECT_EQ(topology->node_llcs[1].first, 2);
}

TEST_F(TopologyTest, CacheThatNodesShareIsOneLlcOfEach) {
  Possible("0-3", "0-1");
  Write("node/node0/cpulist", "0-1");
  Write("node/node1/cpulist", "2-3");
  for (uint32_t cpu = 0; cpu < 4; ++cpu) Cpu(cpu, absl::StrCat(cpu), "0-3");
  const absl::StatusOr<pvs_topology> topology = ReadTopology(sysfs_);
  ASSERT_TRUE(topology.ok()) << topology.status();
  EXPECT_EQ(topology->nr_llcs, 2);
  EXPECT_EQ(topology->llc_of[1], 0);
  EXPECT_EQ(topology->llc_of[2], 1);
}

TEST_F(TopologyTest, HostWithoutCachesAndNodesIsOneLlc) {
  Possible("0-3", "0");
  const absl::StatusOr<pvs_topology> topology = ReadTopology(sysfs_);
  ASSERT_TRUE(topology.ok()) << topology.status();
  EXPECT_EQ(topology->nr_llcs, 1);
  EXPECT_EQ(topology->nr_nodes, 1);
  EXPECT_THAT(Order(*topology, topology->llcs[0]), ElementsAre(0, 1, 2, 3));
}

TEST_F(TopologyTest, OfflineCpuCountsToTheLlcOfTheCpuBeforeIt) {
  Possible("0-3", "0-1");
  Write("node/node0/cpulist", "0-1");
  Write("node/node1/cpulist", "2");  // CPU 3 is offline
  for (const uint32_t cpu : {0, 1}) Cpu(cpu, absl::StrCat(cpu), "0-1");
  Cpu(2, "2", "2");
  const absl::StatusOr<pvs_topology> topology = ReadTopology(sysfs_);
  ASSERT_TRUE(topology.ok()) << topology.status();
  EXPECT_EQ(topology->llc_of[3], topology->llc_of[2]);
}

TEST_F(TopologyTest, CpusOfOneCoreAreSiblings) {
  Possible("0-5", "0");
  for (const uint32_t cpu : {0, 4}) Cpu(cpu, "0,4", "0-5");
  for (const uint32_t cpu : {1, 2, 5}) Cpu(cpu, "1,2,5", "0-5");
  Cpu(3, "3", "0-5");
  const absl::StatusOr<pvs_topology> topology = ReadTopology(sysfs_);
  ASSERT_TRUE(topology.ok()) << topology.status();
  EXPECT_EQ(topology->has_smt, 1);
  EXPECT_EQ(topology->sibling_of[0], 4);
  EXPECT_EQ(topology->sibling_of[4], 0);
  EXPECT_EQ(topology->sibling_of[1], 2);
  EXPECT_EQ(topology->sibling_of[2], 5);
  EXPECT_EQ(topology->sibling_of[5], 1);
  EXPECT_EQ(topology->sibling_of[3], 3);
}

TEST_F(TopologyTest, HostWithoutSmtHasNoSiblings) {
  Possible("0-1", "0");
  for (const uint32_t cpu : {0, 1}) Cpu(cpu, absl::StrCat(cpu), "0-1");
  const absl::StatusOr<pvs_topology> topology = ReadTopology(sysfs_);
  ASSERT_TRUE(topology.ok()) << topology.status();
  EXPECT_EQ(topology->has_smt, 0);
  EXPECT_EQ(topology->sibling_of[0], 0);
  EXPECT_EQ(topology->sibling_of[1], 1);
}

TEST_F(TopologyTest, SmallCpusAreThoseOfTheListOrOfTheKernel) {
  Possible("0-3", "0");
  const auto small = [this](const std::string& list) {
    const absl::StatusOr<pvs_topology> topology = ReadTopology(sysfs_, list);
    EXPECT_TRUE(topology.ok()) << topology.status();
    std::vector<int> ids;
    for (int cpu = 0; cpu < 4; ++cpu) {
      if (topology->is_small[cpu] != 0) ids.push_back(cpu);
    }
    EXPECT_EQ(topology->nr_small, ids.size());
    return ids;
  };
  EXPECT_THAT(small("auto"), ElementsAre());
  EXPECT_THAT(small("1,3"), ElementsAre(1, 3));
  EXPECT_THAT(small("0-3"), ElementsAre()) << "no CPU is slower than the others";
  Write("../cpu_atom/cpus", "2-3");
  EXPECT_THAT(small("auto"), ElementsAre(2, 3));
  EXPECT_THAT(small("none"), ElementsAre());
  EXPECT_THAT(small("1"), ElementsAre(1));
}

TEST(CheckSmallCpus, TextThatIsNoListIsRefused) {
  for (const char* text : {"auto", "none", "3", "0-3,8"}) {
    EXPECT_TRUE(CheckSmallCpus(text).ok()) << text;
  }
  for (const char* text : {"", "some", "3-1", "-", "4096", "1;2"}) {
    EXPECT_THAT(CheckSmallCpus(text).message(), HasSubstr("needs a list of CPUs")) << text;
  }
}

TEST_F(TopologyTest, NodeAboveTheLimitIsRefused) {
  Possible("0-1", "0-64");
  EXPECT_THAT(ReadTopology(sysfs_).status().message(),
              HasSubstr("may have 65 nodes; the scheduler supports 64"));
}

TEST(ParseIdList, TextThatIsNoIdIsIgnored) {
  EXPECT_THAT(ParseIdList("0-2,5"), ElementsAre(0, 1, 2, 5));
  EXPECT_THAT(ParseIdList(""), ElementsAre());
  EXPECT_THAT(ParseIdList("x,3-1,7"), ElementsAre(7));
}

}  // namespace
}  // namespace pvsched
