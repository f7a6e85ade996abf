// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The actuator scx: a sched_ext scheduler for the whole host that reads each
 * guest's priority words when it decides.
 *
 * Urgent vCPUs. A vCPU is urgent if its grant is SCHED_RR or SCHED_FIFO. The
 * grant is updated from the guest's record at a wake-up, a tick, the end of a
 * slice, a sleep and an interrupt. No VM exit is hooked, and no thread's
 * parameters are set. An urgent vCPU that wakes up goes to the local DSQ of an
 * idle CPU of its node; if there is none, of a victim: the CPU with the least
 * urgent task, searched by topology from the vCPU's last CPU on, which it
 * preempts. If all CPUs run tasks that are as urgent, the vCPU waits in the urgent
 * DSQ of its LLC, by priority.
 *
 * Ordinary tasks. A task waits in the DSQ of its last-level cache (LLC), or, if it
 * is pinned, in its CPU's. Both are ordered by virtual deadline: vruntime plus the
 * virtual time used since the last sleep (core/vtime.h). Slices shrink as the queue
 * grows. Among ordinary tasks only vCPUs preempt at a wake-up. A vCPU with a lowered
 * or raised nice value has the weight of that; SCHED_IDLE work has the least.
 *
 * Dispatch, in this order:
 *   1. a queued vCPU that an interrupt made urgent, if this CPU is to pull it;
 *   2. a starving task, if urgent vCPUs have held the CPU for starvation-time;
 *   3. the LLC's urgent DSQ, if its head is at least as urgent as prev;
 *   4. prev, if it is urgent or in a critical section;
 *   5. a task of a busier LLC, if a tick marked it (balance.bpf.c);
 *   6. a task whose cgroup's throttling has ended;
 *   7. the task that prev yielded to;
 *   8. the pinned tasks and the LLC's DSQ in turns, against prev by key, with
 *      co-scheduling of vCPUs and the stale tail as exceptions;
 *   9. the DSQs of the node's other LLCs.
 *
 * RT and DL tasks preempt everything here. cpu.max holds for urgent vCPUs too,
 * from kernel 6.17 on. cpu.weight does not: urgent time has no vruntime.
 *
 * Locks: enqueue, dispatch, running, stopping, tick and yield run under the lock
 * of the CPU's run queue; select_cpu holds only the task's pi_lock. Other CPUs read
 * and claim a CPU context without a lock: see struct pvs_cpu_ctx.
 * docs/explanation/scheduler.md explains the reasons.
 *
 * The parts below share one translation unit: in separately linked objects each
 * helper would be a global function, which loses the trust of its pointers.
 */
#include "host-policy/bpf/kernel_types.bpf.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "host-policy/bpf/scx/maps.bpf.c" /* maps and variables */
#include "host-policy/bpf/scx/ctx.bpf.h" /* contexts, DSQs, clocks, urgency */
#include "host-policy/bpf/stats.bpf.h" /* wake-up latencies */
#include "host-policy/bpf/binding.bpf.c" /* which thread is which vCPU */
#include "host-policy/bpf/scx/cgroup.bpf.c" /* cpu.weight and cpu.max */
#include "host-policy/bpf/scx/boot_boost.bpf.c" /* the first CPU time of a VM */
#include "host-policy/bpf/scx/account.bpf.c" /* charges CPU time */
#include "host-policy/bpf/scx/consume.bpf.c" /* searches a DSQ for a task */
#include "host-policy/bpf/scx/idle.bpf.c" /* the choice of an idle CPU, held CPUs */
#include "host-policy/bpf/scx/bw_throttle.bpf.c" /* tasks over their cgroup's quota */
#include "host-policy/bpf/scx/cosched.bpf.c" /* vCPUs of one VM at the same time */
#include "host-policy/bpf/scx/rt_preempt.bpf.c" /* preemption by RT and DL tasks */
#include "host-policy/bpf/scx/preempt.bpf.c" /* preemption by vCPUs */
#include "host-policy/bpf/kick.bpf.c" /* interrupts for a vCPU */
#include "host-policy/bpf/awaited.bpf.c" /* vCPUs that wait for another one */
#include "host-policy/bpf/scx/ordinary.bpf.c" /* the order of ordinary tasks */
#include "host-policy/bpf/scx/starvation.bpf.c" /* the guard for ordinary tasks */
#include "host-policy/bpf/scx/core.bpf.c" /* the other CPU of a core, faster CPUs */
#include "host-policy/bpf/scx/cpuperf.bpf.c" /* CPU frequencies */
#include "host-policy/bpf/scx/balance.bpf.c" /* LLCs, nodes, idle CPUs */
#include "host-policy/bpf/scx/enqueue.bpf.c" /* select_cpu, enqueue */
#include "host-policy/bpf/scx/dispatch.bpf.c" /* dispatch, yield */
#include "host-policy/bpf/scx/switch.bpf.c" /* running, tick, stopping */
#include "host-policy/bpf/scx/lifecycle.bpf.c" /* tasks, CPUs, init, exit */
#include "host-policy/bpf/scx/dump.bpf.c" /* the debug dump */

char _license[] SEC("license") = "GPL";

SEC(".struct_ops.link")
struct sched_ext_ops pvs_scx_ops = {
	.select_cpu = (void *)pvs_select_cpu,
	.enqueue = (void *)pvs_enqueue,
	.dispatch = (void *)pvs_dispatch,
	.tick = (void *)pvs_tick,
	.running = (void *)pvs_running,
	.stopping = (void *)pvs_stopping,
	.yield = (void *)pvs_yield,
	.init_task = (void *)pvs_init_task,
	.enable = (void *)pvs_enable,
	.cgroup_init = (void *)pvs_cgroup_init,
	.cgroup_exit = (void *)pvs_cgroup_exit,
	.cgroup_move = (void *)pvs_cgroup_move,
	.cgroup_set_weight = (void *)pvs_cgroup_set_weight,
	.cgroup_set_bandwidth = (void *)pvs_cgroup_set_bandwidth,
	.cpu_online = (void *)pvs_cpu_online,
	.cpu_offline = (void *)pvs_cpu_offline,
	.cpu_release = (void *)pvs_cpu_release,
	.update_idle = (void *)pvs_update_idle,
	.dump = (void *)pvs_dump,
	.dump_cpu = (void *)pvs_dump_cpu,
	.dump_task = (void *)pvs_dump_task,
	.init = (void *)pvs_init,
	.exit = (void *)pvs_exit,
	/*
	 * KEEP_BUILTIN_IDLE: update_idle() adds to the kernel's idle masks.
	 * ENQ_LAST: a throttled task stops though its CPU has no other task.
	 * ENQ_EXITING: exiting tasks, as a killed VMM's threads, keep the order.
	 */
	.flags = PVS_SCX_OPS_KEEP_BUILTIN_IDLE | PVS_SCX_OPS_ENQ_LAST |
		 PVS_SCX_OPS_ENQ_EXITING,
	.timeout_ms = 10000,
	.name = "pvsched",
};
