// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The object of the actuators agent and kfunc: hooks on KVM, which pass each event
 * of a vCPU's thread to on_event(). A kernel that allows no program at a function's
 * entry has hooks on the scheduler's tracepoints instead.
 */
#include "host-policy/bpf/kernel_types.bpf.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "host-policy/bpf/maps.bpf.c"
#include "host-policy/bpf/binding.bpf.c"
#include "host-policy/bpf/stats.bpf.h"

/* Whether the thread sleeps: the kernel's !task_is_runnable(). */
static __always_inline bool is_asleep(const struct task_struct *p)
{
	__u8 on_rq = 1; /* the lowest byte: kernels differ in the field's type */

	bpf_core_read(&on_rq, sizeof(on_rq), &p->on_rq);
	return !on_rq || p->se.sched_delayed;
}

/* The decision comes before the thread runs: its record is current already. */
static __always_inline void on_wake_up(struct task_struct *p,
				       struct pvs_vcpu_binding *binding)
{
	struct pvs_slot *slot = slot_of(binding);

	if (slot)
		slot->woken_at = bpf_ktime_get_ns();
	on_event(p, binding, PVS_WAKE);
}

static __always_inline bool needs_wake_ups(void)
{
	return true;
}

/* The kernel's RT class preempts for a vCPU whose thread got a boost. */
static __always_inline void after_kick(struct task_struct *p,
				       struct pvs_vcpu_binding *binding)
{
	struct pvs_slot *slot = slot_of(binding);

	/* A kick may call kvm_vcpu_wake_up(), whose hook would be the second here. */
	if (slot && !slot->woken_at && is_asleep(p))
		on_wake_up(p, binding);
}

#include "host-policy/bpf/kick.bpf.c" /* interrupts for a vCPU */
#include "host-policy/bpf/awaited.bpf.c" /* vCPUs that wait for another one */

char _license[] SEC("license") = "GPL";

/* An event of the current thread, if that is a vCPU's. */
static __always_inline void on_current(__u32 event, bool is_preemptible)
{
	struct task_struct *p = (void *)bpf_get_current_task_btf();
	struct pvs_vcpu_binding *binding;

	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding)
		handle_event(p, binding, event, is_preemptible);
}

SEC("tp_btf/kvm_exit")
int BPF_PROG(pvs_kvm_exit)
{
	on_current(PVS_EXIT, true);
	return 0;
}

/* KVM without hardware support never fires kvm_exit, but fires this. */
SEC("tp_btf/kvm_userspace_exit")
int BPF_PROG(pvs_kvm_userspace_exit)
{
	on_current(PVS_EXIT, true);
	return 0;
}

SEC("tp_btf/kvm_inj_virq")
int BPF_PROG(pvs_kvm_inj_virq)
{
	on_current(PVS_INJECT, true);
	return 0;
}

/*
 * The actuator kfunc: the same events as kvm_exit and sched_switch, but with
 * interrupts on. There the module may apply a grant at once.
 */
SEC("?fentry/svm_handle_exit")
int BPF_PROG(pvs_svm_handle_exit)
{
	on_current(PVS_EXIT, true);
	return 0;
}

SEC("?fentry/vmx_handle_exit")
int BPF_PROG(pvs_vmx_handle_exit)
{
	on_current(PVS_EXIT, true);
	return 0;
}

SEC("?fentry/kvm_vcpu_halt")
int BPF_PROG(pvs_kvm_vcpu_halt)
{
	on_current(PVS_HALT, true);
	return 0;
}

/*
 * A vCPU's thread leaves its CPU. A thread that sleeps has halted, or waits for its
 * VMM; an interrupt or the VMM's answer will wake it.
 */
static __always_inline void on_leave(struct task_struct *p,
				     struct pvs_vcpu_binding *binding, bool sleeps)
{
	on_event(p, binding, sleeps ? PVS_HALT : PVS_PREEMPT);
	on_switch(binding, sleeps ? PVSCHED_GRANT_HALTED : PVSCHED_GRANT_PREEMPTED);
	after_leave(p, binding, sleeps);
}

/* A vCPU's thread gets a CPU. */
static __always_inline void on_arrive(struct pvs_vcpu_binding *binding)
{
	on_switch(binding, 0);
	count_wakeup(binding);
}

/*
 * KVM's own notifiers of a switch run for threads inside KVM_RUN only. So the
 * switches and wake-ups of all other tasks cost nothing.
 */
SEC("?fentry/kvm_sched_out")
int BPF_PROG(pvs_kvm_sched_out)
{
	struct task_struct *p = (void *)bpf_get_current_task_btf();
	struct pvs_vcpu_binding *binding;

	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding)
		on_leave(p, binding, is_asleep(p));
	return 0;
}

SEC("?fentry/kvm_sched_in")
int BPF_PROG(pvs_kvm_sched_in)
{
	struct task_struct *p = (void *)bpf_get_current_task_btf();
	struct pvs_vcpu_binding *binding;

	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding)
		on_arrive(binding);
	return 0;
}

/* The binding of a thread that may be any of the host's; NULL: it is no vCPU's. */
static __always_inline struct pvs_vcpu_binding *binding_of(struct task_struct *p)
{
	if (!may_be_bound(p->pid))
		return NULL;
	return bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
}

/* In place of the call of kvm_vcpu_wake_up(), and of kvm_sched_out() and _in(). */
SEC("?tp_btf/sched_wakeup")
int BPF_PROG(pvs_sched_wakeup, struct task_struct *p)
{
	struct pvs_vcpu_binding *binding;

	if (!p)
		return 0;
	binding = binding_of(p);
	if (binding)
		on_wake_up(p, binding);
	return 0;
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(pvs_sched_switch, bool preempt, struct task_struct *prev,
	     struct task_struct *next, unsigned int prev_state)
{
	struct pvs_vcpu_binding *binding;

	if (!prev || !next)
		return 0;
	binding = binding_of(prev);
	if (binding)
		on_leave(prev, binding, !preempt && prev_state);
	binding = binding_of(next);
	if (binding)
		on_arrive(binding);
	return 0;
}
