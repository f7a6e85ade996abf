// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// Which of the guest's tasks count as urgent: the kernel's own threads do not, unless the
// admin says so. The driver's code runs here on tasks of the test.
#include <cstdint>

#include "gtest/gtest.h"
#include "pvsched_abi.h"
#include "tests/kernel_memory.h"

// The fields of the kernel's structure that the driver reads.
struct task_struct {
  uint32_t flags;
  uint32_t policy;
  int prio;
  int static_prio;
  int normal_prio;
  uint32_t rt_priority;
  int nr_cpus_allowed;
  task_struct* pi_top_task;
};
#define PF_KTHREAD 0x00200000
#define CONFIG_RT_MUTEXES
// Needs the structure and the macros above.
#include "guest-driver/pvsched_housekeeping.h"

namespace {

constexpr int kNice0 = PVSCHED_PRIO_NICE_0;

const uint64_t kOrdinary = 0;

uint64_t Fifo(uint32_t rt_prio) { return pvsched_word(PVSCHED_POLICY_FIFO, 0, rt_prio, 0); }

task_struct FairTask(int nice, uint32_t policy = PVSCHED_POLICY_NORMAL) {
  return {.flags = 0,
          .policy = policy,
          .prio = kNice0 + nice,
          .static_prio = kNice0 + nice,
          .normal_prio = kNice0 + nice,
          .rt_priority = 0,
          .nr_cpus_allowed = 2,
          .pi_top_task = nullptr};
}

task_struct FifoTask(uint32_t rt_prio) {
  task_struct task = FairTask(0, PVSCHED_POLICY_FIFO);
  task.rt_priority = rt_prio;
  task.prio = task.normal_prio = PVSCHED_PRIO_FAIR - 1 - static_cast<int>(rt_prio);
  return task;
}

task_struct KernelThread(uint32_t rt_prio) {
  task_struct task = FifoTask(rt_prio);
  task.flags = PF_KTHREAD;
  return task;
}

task_struct Stopper() {
  task_struct task = KernelThread(99);
  task.nr_cpus_allowed = 1;
  return task;
}

// What rt_mutex_setprio() does.
void Lend(task_struct* waiter, task_struct* owner) {
  owner->pi_top_task = waiter;
  if (waiter->prio < owner->prio) owner->prio = waiter->prio;
}

uint64_t Word(const task_struct& task, bool urgent_kthreads = false) {
  return pvsched_word_of_any(&task, task.prio, urgent_kthreads, 0);
}

TEST(Housekeeping, KernelThreadsAtTheKernelsOwnPrioritiesAreOrdinary) {
  for (const uint32_t rt_prio : {1u, 49u, 50u}) {
    EXPECT_EQ(Word(KernelThread(rt_prio)), kOrdinary) << rt_prio;
  }
}

TEST(Housekeeping, AdminsPriorityOfAKernelThreadCounts) {
  for (const uint32_t rt_prio : {2u, 48u, 51u, 80u, 99u}) {
    EXPECT_EQ(Word(KernelThread(rt_prio)), Fifo(rt_prio)) << rt_prio;
  }
  task_struct rr = KernelThread(50);
  rr.policy = PVSCHED_POLICY_RR;
  EXPECT_EQ(Word(rr), pvsched_word(PVSCHED_POLICY_RR, 0, 50, 0));
}

TEST(Housekeeping, ParameterMakesKernelThreadsUrgent) {
  EXPECT_EQ(Word(KernelThread(1), true), Fifo(1));
  EXPECT_EQ(Word(KernelThread(50), true), Fifo(50));
}

TEST(Housekeeping, StopperIsNeverUrgent) {
  EXPECT_EQ(Word(Stopper()), kOrdinary);
  EXPECT_EQ(Word(Stopper(), true), kOrdinary);
}

TEST(Housekeeping, TasksOfUserSpaceAreUrgentAtThesePriorities) {
  for (const uint32_t rt_prio : {1u, 49u, 50u, 99u}) {
    EXPECT_EQ(Word(FifoTask(rt_prio)), Fifo(rt_prio)) << rt_prio;
  }
}

TEST(Housekeeping, OrdinaryKernelThreadHasItsNice) {
  task_struct worker = FairTask(-20);
  worker.flags = PF_KTHREAD;
  EXPECT_EQ(Word(worker), pvsched_word(PVSCHED_POLICY_NORMAL, -20, 0, 0));
}

TEST(Housekeeping, KeepsFlags) {
  const task_struct thread = KernelThread(1);
  EXPECT_EQ(pvsched_word_of_any(&thread, thread.prio, false, PVSCHED_INTENT_HARDIRQ),
            pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, PVSCHED_INTENT_HARDIRQ));
}

TEST(Inheritance, FromAnUrgentTaskIsUrgent) {
  task_struct waiter = FifoTask(20), owner = FairTask(5);
  Lend(&waiter, &owner);
  EXPECT_EQ(Word(owner), Fifo(20));
}

TEST(Inheritance, OfAKernelThreadFromAnUrgentTaskIsUrgent) {
  task_struct waiter = FifoTask(60), owner = KernelThread(50);
  Lend(&waiter, &owner);
  EXPECT_EQ(Word(owner), Fifo(60));
}

TEST(Inheritance, OfTheSamePriorityIsUrgentToo) {
  task_struct waiter = FifoTask(50), owner = KernelThread(50);
  Lend(&waiter, &owner);
  EXPECT_EQ(Word(owner), Fifo(50));
}

TEST(Inheritance, FromHousekeepingIsOrdinary) {
  task_struct waiter = KernelThread(1), owner = FairTask(0);
  Lend(&waiter, &owner);
  EXPECT_EQ(Word(owner), kOrdinary);
  EXPECT_EQ(Word(owner, true), Fifo(1));
}

TEST(Inheritance, FromHousekeepingKeepsTheTasksOwnUrgency) {
  task_struct waiter = KernelThread(50), owner = FifoTask(10), nice = FairTask(-5);
  Lend(&waiter, &owner);
  EXPECT_EQ(Word(owner), Fifo(10));
  Lend(&waiter, &nice);
  EXPECT_EQ(Word(nice), pvsched_word(PVSCHED_POLICY_NORMAL, -5, 0, 0));
}

TEST(Inheritance, FromHousekeepingLowersNoVcpu) {
  task_struct waiter = KernelThread(1), owner = FairTask(19);
  task_struct idle = FairTask(0, PVSCHED_POLICY_IDLE);
  Lend(&waiter, &owner);
  EXPECT_EQ(Word(owner), kOrdinary);
  Lend(&waiter, &idle);
  EXPECT_EQ(Word(idle), kOrdinary);
}

TEST(Inheritance, OfHousekeepingFromHousekeepingIsOrdinary) {
  task_struct waiter = KernelThread(50), owner = KernelThread(1);
  Lend(&waiter, &owner);
  EXPECT_EQ(Word(owner), kOrdinary);
}

TEST(Inheritance, IsFollowedToTheLastWaiter) {
  task_struct urgent = FifoTask(30), kernel = KernelThread(1), first = FairTask(0);
  Lend(&urgent, &kernel);
  Lend(&kernel, &first);
  EXPECT_EQ(Word(first), Fifo(30));

  task_struct thread = KernelThread(50), middle = FairTask(0), second = FairTask(0);
  Lend(&thread, &middle);
  Lend(&middle, &second);
  EXPECT_EQ(Word(second), kOrdinary);
}

TEST(Inheritance, ChainOfAnyLengthEnds) {
  task_struct a = FifoTask(5), b = FairTask(0);
  Lend(&a, &b);
  Lend(&b, &a);
  EXPECT_EQ(Word(b), Fifo(5));
}

TEST(Inheritance, LessUrgentWaiterDoesNotHideTheTask) {
  task_struct waiter = KernelThread(1), owner = FifoTask(20);
  Lend(&waiter, &owner);
  EXPECT_EQ(Word(owner), Fifo(20));
}

// The kernel's tracepoint fires after it noted the waiter and before it changes the priority.
TEST(Inheritance, CountsAtThePriorityToCome) {
  const auto word_to_come = [](const task_struct& owner, const task_struct& waiter) {
    return pvsched_word_of_any(&owner, waiter.prio, false, 0);
  };
  task_struct urgent = FifoTask(20), thread = KernelThread(1), owner = FairTask(0);
  owner.pi_top_task = &urgent;
  EXPECT_EQ(word_to_come(owner, urgent), Fifo(20));
  owner.pi_top_task = &thread;
  EXPECT_EQ(word_to_come(owner, thread), kOrdinary);
}

TEST(Understated, IsATaskThatRunsBeforeWhatItsWordSays) {
  const task_struct thread = KernelThread(50), task = FifoTask(50), fair = FairTask(19);
  EXPECT_TRUE(pvsched_is_understated(thread.prio, Word(thread)));
  EXPECT_TRUE(pvsched_is_understated(Stopper().prio, Word(Stopper())));
  EXPECT_FALSE(pvsched_is_understated(task.prio, Word(task)));
  EXPECT_FALSE(pvsched_is_understated(thread.prio, Word(thread, true)));
  EXPECT_FALSE(pvsched_is_understated(fair.prio, Word(fair)));

  task_struct waiter = KernelThread(50), owner = FifoTask(10);
  Lend(&waiter, &owner);
  EXPECT_TRUE(pvsched_is_understated(owner.prio, Word(owner)));
}

}  // namespace
