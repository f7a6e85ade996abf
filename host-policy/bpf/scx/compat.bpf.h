/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sched_ext as the scheduler uses it: types, by CO-RE, and functions, under
 * one name each whatever the kernel calls them from 6.13 on. All weak: where
 * there is no sched_ext the scheduler is not loaded, the rest is.
 */
#ifndef PVSCHED_SCX_KERNEL_H
#define PVSCHED_SCX_KERNEL_H

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
	SCX_ENQ_REENQ = 0x10000000000ull,
	SCX_ENQ_LAST = 0x20000000000ull,
};

enum scx_dsq_iter_flags {
	SCX_DSQ_ITER_REV = 0x10000,
};

enum scx_kick_flags {
	SCX_KICK_IDLE = 1,
	SCX_KICK_PREEMPT = 2,
};

enum scx_ent_flags {
	SCX_TASK_QUEUED = 1,
};

/* Of sched_ext_ops, which takes plain numbers. */
#define PVS_SCX_OPS_ENQ_LAST 2
#define PVS_SCX_OPS_ENQ_EXITING 4

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct scx_cpu_release_args;

/* With a member: when it was only declared, quotas did not count (95-scx-quota). */
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
};

#pragma clang attribute pop

/* Members by name; libbpf refuses one that is set and that the kernel lacks. */
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
	__s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	__u64 flags;
	__u32 timeout_ms;
	char name[128];
};

struct bpf_iter_scx_dsq {
	__u64 opaque[6];
} __attribute__((aligned(8)));

struct scx_bpf_dsq_insert_vtime_args {
	__u64 dsq_id;
	__u64 slice;
	__u64 vtime;
	__u64 enq_flags;
} __attribute__((preserve_access_index));

extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern bool bpf_cpumask_empty(const struct cpumask *mask) __ksym __weak;
extern bool bpf_cpumask_test_cpu(__u32 cpu, const struct cpumask *mask) __ksym __weak;
extern const struct cpumask *scx_bpf_get_online_cpumask(void) __ksym __weak;
extern const struct cpumask *scx_bpf_get_idle_cpumask(void) __ksym __weak;
extern void scx_bpf_put_idle_cpumask(const struct cpumask *mask) __ksym __weak;
extern void scx_bpf_put_cpumask(const struct cpumask *mask) __ksym __weak;
extern __s32 scx_bpf_create_dsq(__u64 dsq, __s32 node) __ksym __weak;
extern __s32 scx_bpf_select_cpu_dfl(struct task_struct *p, __s32 prev_cpu,
				    __u64 wake_flags, bool *is_idle) __ksym __weak;
extern __s32 scx_bpf_pick_idle_cpu(const struct cpumask *allowed, __u64 flags) __ksym __weak;
extern bool scx_bpf_test_and_clear_cpu_idle(__s32 cpu) __ksym __weak;
extern void scx_bpf_kick_cpu(__s32 cpu, __u64 flags) __ksym __weak;
extern __s32 scx_bpf_dsq_nr_queued(__u64 dsq) __ksym __weak;
extern struct cgroup *scx_bpf_task_cgroup(struct task_struct *p) __ksym __weak;
extern struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgroup, int level) __ksym __weak;
extern void bpf_cgroup_release(struct cgroup *cgroup) __ksym __weak;
extern bool scx_bpf_task_running(const struct task_struct *p) __ksym __weak;
extern int scx_bpf_cpu_node(__s32 cpu) __ksym __weak;

extern struct task_struct *scx_bpf_dsq_peek(__u64 dsq) __ksym __weak;
extern int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, __u64 dsq, __u64 flags) __ksym __weak;
extern struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym __weak;
extern void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym __weak;
extern bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq *it, struct task_struct *p,
			     __u64 dsq, __u64 enq_flags) __ksym __weak;

/* What is left of "___" is the kernel's name. */
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

/* From 6.19 on with a result that nobody needs; the first form ends some day. */
static __always_inline void pvs_insert(struct task_struct *p, __u64 dsq,
				       __u64 slice, __u64 enq_flags)
{
	if (bpf_ksym_exists(scx_bpf_dsq_insert___v2___new))
		scx_bpf_dsq_insert___v2___new(p, dsq, slice, enq_flags);
	else
		scx_bpf_dsq_insert___v1(p, dsq, slice, enq_flags);
}

static __always_inline void pvs_insert_by(struct task_struct *p, __u64 dsq,
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

static __always_inline bool pvs_take_from(__u64 dsq)
{
	if (bpf_ksym_exists(scx_bpf_dsq_move_to_local___v2___new))
		return scx_bpf_dsq_move_to_local___v2___new(dsq, 0);
	return scx_bpf_dsq_move_to_local___v1(dsq);
}

static __always_inline void pvs_set_slice(struct task_struct *p, __u64 slice)
{
	if (bpf_ksym_exists(scx_bpf_task_set_slice))
		scx_bpf_task_set_slice(p, slice);
	else
		p->scx.slice = slice;
}

/* On x86 the kernel's own task_cpu(): a read instead of a call. */
static __always_inline __s32 task_cpu(const struct task_struct *p)
{
	return p->thread_info.cpu;
}

/* Whether it may be moved there: cpus_ptr tells of a disabled migration late. */
static __always_inline bool may_run(struct task_struct *p, __s32 cpu)
{
	if (bpf_core_field_exists(p->migration_disabled) &&
	    p->migration_disabled && task_cpu(p) != cpu)
		return false;
	return bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

/*
 * The order of the first in a queue; false if it is empty, or if there is none: to peek
 * at that would end the scheduler.
 */
static __always_inline bool pvs_first(__u64 dsq, __u64 *vtime)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;

	bpf_iter_scx_dsq_new(&it, dsq, 0);
	p = bpf_iter_scx_dsq_next(&it);
	if (p)
		*vtime = p->scx.dsq_vtime;
	bpf_iter_scx_dsq_destroy(&it);
	return p;
}

/* The same of a queue that there is, without its lock where the kernel can. */
static __always_inline bool pvs_head(__u64 dsq, __u64 *vtime)
{
	struct task_struct *p;

	if (!bpf_ksym_exists(scx_bpf_dsq_peek))
		return pvs_first(dsq, vtime);
	p = scx_bpf_dsq_peek(dsq);
	if (p)
		*vtime = p->scx.dsq_vtime;
	return p;
}

#endif /* PVSCHED_SCX_KERNEL_H */
