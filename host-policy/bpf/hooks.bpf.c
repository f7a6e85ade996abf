// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The object of the actuators agent and kfunc: hooks on KVM and the scheduler's
 * tracepoints, which pass each event of a vCPU's thread to on_event().
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

/* The kernel's RT class preempts for a vCPU whose thread got a boost. */
static __always_inline void preempt_for_queued(struct task_struct *p,
					       struct pvs_vcpu_binding *binding)
{
}

#include "host-policy/bpf/kick.bpf.c" /* interrupts for a vCPU */

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
	on_current(PVS_EXIT, false);
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

/* The binding of a thread that may be any of the host's; NULL: it is no vCPU's. */
static __always_inline struct pvs_vcpu_binding *binding_of(struct task_struct *p)
{
	if (!PVS_LOAD(pvs_bound_tids[(__u32)p->pid & (PVS_TID_BUCKETS - 1)]))
		return NULL;
	return bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
}

/* The decision comes before the thread runs: its record is current already. */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(pvs_sched_wakeup, struct task_struct *p)
{
	struct pvs_vcpu_binding *binding;
	struct pvs_slot *slot;

	if (!p)
		return 0;
	binding = binding_of(p);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	if (slot)
		slot->woken_at = bpf_ktime_get_ns();
	on_event(p, binding, PVS_WAKE);
	return 0;
}

/*
 * A vCPU's thread leaves its CPU, or gets one. A thread that sleeps has halted,
 * or waits for its VMM; an interrupt or the VMM's answer will wake it.
 */
SEC("tp_btf/sched_switch")
int BPF_PROG(pvs_sched_switch, bool preempt, struct task_struct *prev,
	     struct task_struct *next, unsigned int prev_state)
{
	int halts = !preempt && prev_state;
	struct pvs_vcpu_binding *binding;

	if (!prev || !next)
		return 0;
	binding = binding_of(prev);
	if (binding) {
		on_event(prev, binding, halts ? PVS_HALT : PVS_PREEMPT);
		on_switch(binding, halts ? PVSCHED_GRANT_HALTED :
					  PVSCHED_GRANT_PREEMPTED);
	}
	binding = binding_of(next);
	if (binding) {
		on_switch(binding, 0);
		count_wakeup(binding);
	}
	return 0;
}
