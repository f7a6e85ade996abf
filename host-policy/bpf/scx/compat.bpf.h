/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * sched_ext from kernel 6.13 on: types by CO-RE, kfuncs as weak symbols, and
 * one name for each kfunc that has several forms.
 */
#ifndef PVSCHED_SCX_COMPAT_BPF_H
#define PVSCHED_SCX_COMPAT_BPF_H

#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "host-policy/bpf/kernel_types.bpf.h"

enum scx_dsq_id_flags {
	SCX_DSQ_LOCAL = 0x8000000000000002ull,
	SCX_DSQ_LOCAL_ON = 0xc000000000000000ull,
};

enum scx_enq_flags {
	SCX_ENQ_WAKEUP = 0x1ull,
	SCX_ENQ_PREEMPT = 0x100000000ull,
	SCX_ENQ_IMMED = 0x200000000ull,
	SCX_ENQ_REENQ = 0x10000000000ull,
	SCX_ENQ_LAST = 0x20000000000ull,
};

enum scx_dsq_iter_flags {
	SCX_DSQ_ITER_REV = 0x10000,
};

enum scx_pick_idle_cpu_flags {
	SCX_PICK_IDLE_CORE = 1,
	SCX_PICK_IDLE_IN_NODE = 2,
};

enum scx_wake_flags {
	SCX_WAKE_FORK = 4,
};

enum scx_kick_flags {
	SCX_KICK_IDLE = 1,
	SCX_KICK_PREEMPT = 2,
};

enum scx_ent_flags {
	SCX_TASK_QUEUED = 1,
};

/* Flags of sched_ext_ops, which a static initialiser needs as constants. */
#define PVS_SCX_OPS_KEEP_BUILTIN_IDLE 1
#define PVS_SCX_OPS_ENQ_LAST 2
#define PVS_SCX_OPS_ENQ_EXITING 4

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct scx_cpu_release_args;

/* The member matters: with a mere declaration cgroup storage did not work. */
struct cgroup {
	int level;
};

struct scx_cgroup_init_args {
	__u32 weight;
	__u64 bw_period_us;
	__u64 bw_quota_us;
};

struct scx_init_task_args {
	bool fork;
};

enum scx_exit_kind {
	SCX_EXIT_UNREG = 64,
};

struct scx_exit_info {
	enum scx_exit_kind kind;
	__s64 exit_code;
	const char *reason;
	char *msg;
	char *dump;
};

struct scx_dump_ctx;

#pragma clang attribute pop

/* libbpf matches members by name. The loader clears those that the kernel lacks. */
struct sched_ext_ops {
	__s32 (*select_cpu)(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags);
	void (*enqueue)(struct task_struct *p, __u64 enq_flags);
	void (*dispatch)(__s32 cpu, struct task_struct *prev);
	void (*tick)(struct task_struct *p);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	__s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	void (*enable)(struct task_struct *p);
	__s32 (*cgroup_init)(struct cgroup *cgroup, struct scx_cgroup_init_args *args);
	void (*cgroup_exit)(struct cgroup *cgroup);
	void (*cgroup_move)(struct task_struct *p, struct cgroup *from, struct cgroup *to);
	void (*cgroup_set_weight)(struct cgroup *cgroup, __u32 weight);
	void (*cgroup_set_bandwidth)(struct cgroup *cgroup, __u64 period_us, __u64 quota_us,
				     __u64 burst_us);
	void (*cpu_online)(__s32 cpu);
	void (*cpu_offline)(__s32 cpu);
	void (*cpu_release)(__s32 cpu, struct scx_cpu_release_args *args);
	void (*update_idle)(__s32 cpu, bool is_idle);
	void (*dump)(struct scx_dump_ctx *ctx);
	void (*dump_cpu)(struct scx_dump_ctx *ctx, __s32 cpu, bool idle);
	void (*dump_task)(struct scx_dump_ctx *ctx, struct task_struct *p);
	__s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	__u64 flags;
	__u32 timeout_ms;
	char name[128];
};

struct bpf_iter_scx_dsq {
	__u64 opaque[6];
} __attribute__((aligned(8)));

struct scx_bpf_select_cpu_and_args {
	__s32 prev_cpu;
	__u64 wake_flags;
	__u64 flags;
} __attribute__((preserve_access_index));

struct scx_bpf_dsq_insert_vtime_args {
	__u64 dsq_id;
	__u64 slice;
	__u64 vtime;
	__u64 enq_flags;
} __attribute__((preserve_access_index));

extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern bool bpf_cpumask_intersects(const struct cpumask *a, const struct cpumask *b) __ksym __weak;
extern bool bpf_cpumask_test_cpu(__u32 cpu, const struct cpumask *mask) __ksym __weak;
extern struct bpf_cpumask *bpf_cpumask_create(void) __ksym __weak;
extern void bpf_cpumask_release(struct bpf_cpumask *mask) __ksym __weak;
extern void bpf_cpumask_set_cpu(__u32 cpu, struct bpf_cpumask *mask) __ksym __weak;
extern const struct cpumask *scx_bpf_get_online_cpumask(void) __ksym __weak;
extern const struct cpumask *scx_bpf_get_idle_cpumask(void) __ksym __weak;
extern const struct cpumask *scx_bpf_get_idle_cpumask_node(int node) __ksym __weak;
extern const struct cpumask *scx_bpf_get_idle_smtmask(void) __ksym __weak;
extern const struct cpumask *scx_bpf_get_idle_smtmask_node(int node) __ksym __weak;
extern void scx_bpf_put_idle_cpumask(const struct cpumask *mask) __ksym __weak;
extern void scx_bpf_put_cpumask(const struct cpumask *mask) __ksym __weak;
extern __s32 scx_bpf_create_dsq(__u64 dsq, __s32 node) __ksym __weak;
extern __s32 scx_bpf_select_cpu_dfl(struct task_struct *p, __s32 prev_cpu,
				    __u64 wake_flags, bool *is_idle) __ksym __weak;
extern __s32 __scx_bpf_select_cpu_and(struct task_struct *p, const struct cpumask *allowed,
				      struct scx_bpf_select_cpu_and_args *args) __ksym __weak;
extern __s32 scx_bpf_pick_idle_cpu(const struct cpumask *allowed, __u64 flags) __ksym __weak;
extern __s32 scx_bpf_pick_idle_cpu_node(const struct cpumask *allowed, int node,
					__u64 flags) __ksym __weak;
extern void scx_bpf_cpuperf_set(__s32 cpu, __u32 perf) __ksym __weak;
extern __u64 scx_bpf_now(void) __ksym __weak;
extern bool scx_bpf_test_and_clear_cpu_idle(__s32 cpu) __ksym __weak;
extern void scx_bpf_kick_cpu(__s32 cpu, __u64 flags) __ksym __weak;
extern __s32 scx_bpf_dsq_nr_queued(__u64 dsq) __ksym __weak;
extern struct cgroup *scx_bpf_task_cgroup(struct task_struct *p) __ksym __weak;
extern struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgroup, int level) __ksym __weak;
extern void bpf_cgroup_release(struct cgroup *cgroup) __ksym __weak;
extern bool scx_bpf_task_running(const struct task_struct *p) __ksym __weak;

extern struct task_struct *scx_bpf_dsq_peek(__u64 dsq) __ksym __weak;
extern int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, __u64 dsq, __u64 flags) __ksym __weak;
extern struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym __weak;
extern void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym __weak;
extern bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq *it, struct task_struct *p,
			     __u64 dsq, __u64 enq_flags) __ksym __weak;

extern void scx_bpf_dump_bstr(char *fmt, unsigned long long *data, __u32 data__sz) __ksym __weak;

/* libbpf drops "___" and what follows from the symbol's name. */
extern void scx_bpf_dsq_insert___v1(struct task_struct *p, __u64 dsq, __u64 slice,
				    __u64 enq_flags) __ksym __weak;
extern bool scx_bpf_dsq_insert___v2___new(struct task_struct *p, __u64 dsq, __u64 slice,
					  __u64 enq_flags) __ksym __weak;
extern void scx_bpf_dsq_insert_vtime___v1(struct task_struct *p, __u64 dsq, __u64 slice,
					  __u64 vtime, __u64 enq_flags) __ksym __weak;
extern bool __scx_bpf_dsq_insert_vtime(struct task_struct *p,
				       struct scx_bpf_dsq_insert_vtime_args *args) __ksym __weak;
extern bool scx_bpf_dsq_move_to_local___v1(__u64 dsq) __ksym __weak;
extern bool scx_bpf_dsq_move_to_local___v2___new(__u64 dsq, __u64 enq_flags) __ksym __weak;
extern bool scx_bpf_task_set_slice(struct task_struct *p, __u64 slice) __ksym __weak;
extern __u32 scx_bpf_reenqueue_local___v1(void) __ksym __weak;
extern void scx_bpf_reenqueue_local___v2___new(void) __ksym __weak;
extern void scx_bpf_dsq_reenq(__u64 dsq, __u64 flags) __ksym __weak;

#define PVS_SCX(type, value) bpf_core_enum_value(enum type, value)
#define PVS_DSQ_LOCAL PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL)

/* 6.19 added a result that we do not use; the first form is deprecated. */
static __always_inline void dsq_insert(struct task_struct *p, __u64 dsq,
				       __u64 slice, __u64 enq_flags)
{
	if (bpf_ksym_exists(scx_bpf_dsq_insert___v2___new))
		scx_bpf_dsq_insert___v2___new(p, dsq, slice, enq_flags);
	else
		scx_bpf_dsq_insert___v1(p, dsq, slice, enq_flags);
}

static __always_inline void dsq_insert_vtime(struct task_struct *p, __u64 dsq,
					     __u64 slice, __u64 vtime,
					     __u64 enq_flags)
{
	if (bpf_core_type_exists(struct scx_bpf_dsq_insert_vtime_args)) {
		struct scx_bpf_dsq_insert_vtime_args args = {};

		args.dsq_id = dsq;
		args.slice = slice;
		args.vtime = vtime;
		args.enq_flags = enq_flags;
		__scx_bpf_dsq_insert_vtime(p, &args);
	} else {
		scx_bpf_dsq_insert_vtime___v1(p, dsq, slice, vtime, enq_flags);
	}
}

/* Moves the DSQ's head that may run here to this CPU's local DSQ. */
static __always_inline bool consume_head(__u64 dsq)
{
	if (bpf_ksym_exists(scx_bpf_dsq_move_to_local___v2___new))
		return scx_bpf_dsq_move_to_local___v2___new(dsq, 0);
	return scx_bpf_dsq_move_to_local___v1(dsq);
}

static __always_inline void set_slice(struct task_struct *p, __u64 slice)
{
	if (bpf_ksym_exists(scx_bpf_task_set_slice))
		scx_bpf_task_set_slice(p, slice);
	else
		p->scx.slice = slice;
}

/* The kernel's task_cpu() on x86: a load instead of a kfunc call. */
static __always_inline __s32 task_cpu(const struct task_struct *p)
{
	return p->thread_info.cpu;
}

/* cpus_ptr follows migration_disabled only at the next context switch. */
static __always_inline bool may_run_on(struct task_struct *p, __s32 cpu)
{
	if (bpf_core_field_exists(p->migration_disabled) &&
	    p->migration_disabled && task_cpu(p) != cpu)
		return false;
	return bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

/*
 * The key of a DSQ's head; false: the DSQ is empty or does not exist. Peeking
 * at a DSQ that does not exist ends the scheduler, iterating does not.
 */
static __always_inline bool dsq_head_key_by_iter(__u64 dsq, __u64 *key)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;

	bpf_iter_scx_dsq_new(&it, dsq, 0);
	p = bpf_iter_scx_dsq_next(&it);
	if (p)
		*key = p->scx.dsq_vtime;
	bpf_iter_scx_dsq_destroy(&it);
	return p;
}

/* The same for a DSQ that exists; lockless where the kernel has a peek. */
static __always_inline bool dsq_head_key(__u64 dsq, __u64 *key)
{
	struct task_struct *p;

	if (!bpf_ksym_exists(scx_bpf_dsq_peek))
		return dsq_head_key_by_iter(dsq, key);
	p = scx_bpf_dsq_peek(dsq);
	if (p)
		*key = p->scx.dsq_vtime;
	return p;
}

/* Whether a task waits in the CPU's local DSQ. */
static __always_inline bool is_local_queued(__s32 cpu)
{
	return scx_bpf_dsq_nr_queued(PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | (__u32)cpu) > 0;
}

static __always_inline void kick_to_preempt(__s32 cpu)
{
	scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_PREEMPT));
}

static __always_inline void kick_idle(__s32 cpu)
{
	scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
}

#endif /* PVSCHED_SCX_COMPAT_BPF_H */
