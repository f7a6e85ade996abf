/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Parameters of the scheduler beside those of core/vtime.h and
 * core/bandwidth.h. core/param.h describes the form of the comments.
 * Times are in ns here.
 */
#ifndef PVSCHED_SCX_PARAMS_BPF_H
#define PVSCHED_SCX_PARAMS_BPF_H

#include "host-policy/core/bandwidth.h"
#include "host-policy/core/vtime.h"

/*
 * urgent-slice: us 500..100000. The slice of an urgent vCPU. At its end, and at
 * each tick, the policy is asked whether the vCPU is still urgent.
 */
PVS_PARAM(__u64, pvs_param_urgent_slice, 5 * PVS_MS);
/*
 * short-burst: us 0..1000. Two tasks that use the CPU for less than this at a time
 * and wake each other on one CPU share a slice-min there, without a queue.
 */
PVS_PARAM(__u64, pvs_param_short_burst, 100 * PVS_US);
/*
 * critical-slice: us 100..100000. How long a vCPU in a critical section keeps
 * its CPU before the policy is asked again.
 */
PVS_PARAM(__u64, pvs_param_critical_slice, 1 * PVS_MS);
/*
 * preempt-gap: us 0..100000. vCPUs preempt one CPU at most once in this time.
 * It bounds the switches that a storm of interrupts can cause.
 */
PVS_PARAM(__u64, pvs_param_preempt_gap, 50 * PVS_US);
/*
 * victim-max-scan: CPUs 1..1024. The victim search compares this many CPUs of the
 * LLC, then of the node, then of all. It bounds a wake-up's cost.
 */
PVS_PARAM(__u32, pvs_param_victim_max_scan, 64);
/*
 * balance-interval: us 1000..1000000. One CPU of each LLC compares the lengths of
 * the LLCs' queues once in this time, and takes one task from a longer queue.
 */
PVS_PARAM(__u64, pvs_param_balance_interval, 10 * PVS_MS);
/*
 * node-delay: us 0..1000000. Tasks wait at least this long in their own node
 * before an idle CPU of another node takes one. A wake-up stays in its node.
 */
PVS_PARAM(__u64, pvs_param_node_delay, 2 * PVS_MS);
/*
 * idle-recheck: us 0..1000. A CPU that goes idle looks once more for tasks if
 * one was queued within this time: it may have arrived during the first look.
 */
PVS_PARAM(__u64, pvs_param_idle_recheck, 50 * PVS_US);
/*
 * starvation-time: us 1000..1000000. The starvation guard acts when urgent
 * vCPUs have left ordinary tasks less than starvation-share of a CPU for this
 * long. It bounds how long a queued ordinary task waits for urgent vCPUs.
 */
PVS_PARAM(__u64, pvs_param_starvation_time, 50 * PVS_MS);
/*
 * starvation-share: us 100..1000000. The CPU time that ordinary tasks get in
 * each starvation-time. Urgent vCPUs do not preempt the CPU for as long.
 */
PVS_PARAM(__u64, pvs_param_starvation_share, 2 * PVS_MS);
/*
 * starvation-tail-every: turns 1..1024. Each time that the guard has acted this
 * often, it dispatches the tail of the LLC's queue, not the head. vCPUs that
 * were urgent until now owe nothing for it, and would win every turn.
 */
PVS_PARAM(__u32, pvs_param_starvation_tail_every, 4);
/*
 * kthread-reenq-max: times 1..200. A pinned kernel thread that RT preempts is
 * re-enqueued on its CPU at most this often. The kernel ends a scheduler that
 * re-enqueues one task 256 times without running it.
 */
PVS_PARAM(__u32, pvs_param_kthread_reenq_max, 64);
/*
 * tail-interval: us 1000..10000000. The interval between two checks of the tail
 * of an LLC's queue. Its key may date from a shorter queue, and then later
 * wake-ups would pass it for ever.
 */
PVS_PARAM(__u64, pvs_param_tail_interval, 100 * PVS_MS);
/*
 * tail-lags: lags 1..64. The tail is dispatched out of order if its key is later
 * than the virtual time by this many times the largest debt.
 */
PVS_PARAM(__u32, pvs_param_tail_lags, 4);
/*
 * balance-max: tasks 1..1024. A CPU's pinned tasks and its LLC's queue take
 * turns by their lengths. A length counts at most this much, which bounds the
 * number of slices that a task waits.
 */
PVS_PARAM(__s32, pvs_param_balance_max, 64);
/*
 * bw-max-scan: tasks 1..1024. The depth to which the queue of throttled tasks
 * is searched for a task whose period has ended.
 */
PVS_PARAM(__u32, pvs_param_bw_max_scan, 64);
/*
 * bw-retry: us 100..1000000. The timer for throttled tasks fires again after
 * this time, because the CPU that it kicked may have been late or busy.
 */
PVS_PARAM(__u64, pvs_param_bw_retry, 5 * PVS_MS);
/*
 * bw-kernel-timer: boolean 0..1. The timer for throttled tasks is one of the
 * kernel, else one of pvschedd. It is 0 on PREEMPT_RT, which has no timer for
 * BPF programs.
 */
PVS_PARAM(__u32, pvs_param_bw_kernel_timer, 1);
/*
 * rt-reenq-delay: us 0..1000000. A task that RT preempted stays on its CPU's
 * local DSQ for this long, then another CPU's tick re-enqueues it. A migration
 * costs about a slice.
 */
PVS_PARAM(__u64, pvs_param_rt_reenq_delay, 1 * PVS_MS);
/*
 * cosched-window: us 0..100000. A vCPU whose VM runs on another CPU is
 * dispatched before vCPUs whose keys are earlier by no more than this.
 */
PVS_PARAM(__u64, pvs_param_cosched_window, 5 * PVS_MS);
/*
 * cosched-max-scan: tasks 1..64. The depth to which a queue is searched for a
 * vCPU to co-schedule.
 */
PVS_PARAM(__u32, pvs_param_cosched_max_scan, 8);
/*
 * boot-boost-weight: times 1..100. The factor on the weight of a VM's threads
 * during the boot boost.
 */
PVS_PARAM(__u32, pvs_param_boot_boost_weight, 4);
/*
 * offline-max-scan: tasks 1..1000000. The number of tasks that are moved off a
 * CPU that goes offline. The verifier wants a bound; later tasks with no other
 * CPU delay the hot-plug.
 */
PVS_PARAM(__u32, pvs_param_offline_max_scan, 65536);
/*
 * cpuperf-interval: us 1000..1000000. A CPU's use is measured over this time for
 * cpufreq's governor schedutil, which then chooses the frequency.
 */
PVS_PARAM(__u64, pvs_param_cpuperf_interval, 10 * PVS_MS);
/*
 * cpuperf-min: percent 0..100. The least performance that is asked of schedutil,
 * in percent of a CPU's highest. 100: each CPU always runs at its highest.
 */
PVS_PARAM(__u32, pvs_param_cpuperf_min, 0);
/*
 * urgent-sibling: mode 0..2. What the other hardware thread of a core runs while an
 * urgent vCPU is on the core: 0 any task, 1 vCPUs of the same VM, 2 nothing. Other
 * urgent vCPUs, kernel threads of that CPU and the starvation guard's tasks run in
 * any case.
 */
PVS_PARAM(__u32, pvs_param_urgent_sibling, 0);

#endif /* PVSCHED_SCX_PARAMS_BPF_H */
