// SPDX-License-Identifier: GPL-2.0
/*
 * The hooks: what happens to vCPU threads, told to judge.h.
 */
#include "host-policy/bpf/kernel_types.bpf.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "host-policy/bpf/decide.bpf.h"
#include "host-policy/bpf/scx/main.bpf.h"

char _license[] SEC("license") = "GPL";

static void report_thread(struct task_struct *p, struct kvm_vcpu *vcpu)
{
	struct pvs_unbound_key key = {};
	struct pvs_vcpu_seen *event;

	key.tgid = p->tgid;
	key.vcpu_id = vcpu->vcpu_id;
	if (!bpf_map_lookup_elem(&unbound, &key))
		return;
	event = bpf_ringbuf_reserve(&seen, sizeof(*event), 0);
	if (!event)
		return;
	event->tgid = key.tgid;
	event->tid = p->pid;
	event->vcpu_id = key.vcpu_id;
	event->reserved = 0;
	/* Once for each registration; who wins the deletion reports. */
	if (bpf_map_delete_elem(&unbound, &key)) {
		bpf_ringbuf_discard(event, 0);
		return;
	}
	__sync_fetch_and_sub(&pvs_unbound_count, 1);
	bpf_ringbuf_submit(event, 0);
}

static __always_inline void on_current(__u32 event, struct kvm_vcpu *vcpu)
{
	struct task_struct *p = (void *)bpf_get_current_task_btf();
	struct pvs_vcpu_binding *binding;

	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding)
		on_event(p, binding, event);
	else if (vcpu && pvs_unbound_count)
		report_thread(p, vcpu);
}

SEC("tp_btf/kvm_exit")
int BPF_PROG(pvs_kvm_exit, struct kvm_vcpu *vcpu)
{
	on_current(PVS_EXIT, vcpu);
	return 0;
}

/* Where KVM is software alone, kvm_exit never fires, and this one does. */
SEC("tp_btf/kvm_userspace_exit")
int BPF_PROG(pvs_kvm_userspace_exit)
{
	on_current(PVS_EXIT, NULL);
	return 0;
}

SEC("tp_btf/kvm_inj_virq")
int BPF_PROG(pvs_kvm_inj_virq)
{
	on_current(PVS_INJECT, NULL);
	return 0;
}

/*
 * With the module: what kvm_exit and sched_switch tell with interrupts off is
 * told here with interrupts on, so that its grant is applied at once.
 */
SEC("?fentry/svm_handle_exit")
int BPF_PROG(pvs_svm_handle_exit, struct kvm_vcpu *vcpu)
{
	on_current(PVS_EXIT, vcpu);
	return 0;
}

SEC("?fentry/vmx_handle_exit")
int BPF_PROG(pvs_vmx_handle_exit, struct kvm_vcpu *vcpu)
{
	on_current(PVS_EXIT, vcpu);
	return 0;
}

SEC("?fentry/kvm_vcpu_halt")
int BPF_PROG(pvs_kvm_vcpu_halt)
{
	on_current(PVS_HALT, NULL);
	return 0;
}

/* Before the thread runs: what the guest wants of it may be known already. */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(pvs_sched_wakeup, struct task_struct *p)
{
	struct pvs_vcpu_binding *binding;
	struct pvs_slot *slot;

	if (!p)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	if (slot)
		slot->woken_at = bpf_ktime_get_ns();
	on_event(p, binding, PVS_WAKE);
	return 0;
}

/*
 * A vCPU's thread leaves its CPU, or takes one. Asleep it halts, or waits for
 * its VMM: what wakes it then is an interrupt or an answer, that is, news for
 * the guest.
 */
SEC("tp_btf/sched_switch")
int BPF_PROG(pvs_sched_switch, bool preempt, struct task_struct *prev,
	     struct task_struct *next, unsigned int prev_state)
{
	int halts = !preempt && prev_state;
	struct pvs_vcpu_binding *binding;

	if (!prev || !next)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, prev, 0, 0);
	if (binding) {
		on_event(prev, binding, halts ? PVS_HALT : PVS_PREEMPT);
		on_switch(binding, halts ? PVSCHED_GRANT_HALTED :
					  PVSCHED_GRANT_PREEMPTED);
	}
	binding = bpf_task_storage_get(&vcpu_bindings, next, 0, 0);
	if (binding) {
		on_switch(binding, 0);
		count_wakeup(binding);
	}
	return 0;
}

/*
 * A vCPU's thread kicks itself, as for its timer: it runs, and need not be looked for.
 * Often the interrupt has been told of, and this is its way into the guest.
 */
static __always_inline int on_own_kick(struct task_struct *p)
{
	struct pvsched_record *record;
	struct pvs_vcpu_binding *binding;
	struct pvs_slot *slot;

	/* kvm_inj_virq tells the others. */
	if (pvs_actuator != PVS_ACTUATOR_SCX)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	record = binding->record;
	if (!slot || !record)
		return 0;
	/* No event may have come since the guest has taken the last one. */
	if (!slot->vcpu.injected || PVS_LOAD(record->irq_ack) == slot->vcpu.irq_ticket)
		on_event(p, binding, PVS_INJECT);
	return 0;
}

/*
 * An interrupt for a vCPU, in the context of whoever raises it: the one event
 * of a vCPU that is preempted, and so the only way to hear of its interrupt
 * before it runs again. Two names because the function moved in 7.3.
 */
static __always_inline int on_kick(struct kvm_vcpu *vcpu)
{
	struct task_struct *p = (void *)bpf_get_current_task_btf();
	struct pvs_vcpu_binding *binding;
	struct pid *pid;

	if (!vcpu)
		return 0;
	pid = vcpu->pid;
	if (!pid)
		return 0;
	if (p->thread_pid == pid)
		return on_own_kick(p);
	p = bpf_task_from_pid(BPF_CORE_READ(pid, numbers[0].nr));
	if (!p)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding && pvs_actuator == PVS_ACTUATOR_SCX &&
	    bpf_ksym_exists(scx_bpf_kick_cpu)) {
		/* Nothing tells the scheduler of it later. */
		on_event(p, binding, PVS_INJECT);
		kick(p, binding);
	} else if (binding) {
		on_event(p, binding, PVS_KICK);
	}
	bpf_task_release(p);
	return 0;
}

SEC("?fentry/kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick, struct kvm_vcpu *vcpu)
{
	return on_kick(vcpu);
}

SEC("?fentry/__kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick_73, struct kvm_vcpu *vcpu)
{
	return on_kick(vcpu);
}

/*
 * The thread is about to execute a program. If it is not its process's first,
 * it takes that one's number, and its own ends for all to see: it is let go of
 * here, for nobody else could name it then. What it was given it still has.
 */
SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(pvs_prepare_exec, struct task_struct *p)
{
	struct pvs_vcpu_binding *binding;
	struct pvs_slot *slot;

	if (p->pid == p->tgid)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	if (slot)
		PVS_STORE(slot->has_new_tid, 1);
	bpf_task_storage_delete(&vcpu_bindings, p);
	return 0;
}

/* Called by pvschedd while a vCPU is boosted: a boost ends without an event. */
SEC("syscall")
int pvs_timer(struct pvs_timer_args *args)
{
	struct pvs_vcpu_binding *binding;
	struct task_struct *p;

	p = bpf_task_from_pid(args->tid);
	if (!p)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding)
		on_event(p, binding, PVS_TIMER);
	bpf_task_release(p);
	return 0;
}
