// SPDX-License-Identifier: GPL-2.0
/*
 * The hooks: what happens to vCPU threads, told to judge.h.
 */
#include "host-policy/bpf/kernel_types.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "host-policy/bpf/judge.h"
#include "host-policy/bpf/scheduler.h"

char _license[] SEC("license") = "GPL";

static void report_thread(struct task_struct *task, struct kvm_vcpu *vcpu)
{
	struct pvs_unbound_key key = {};
	struct pvs_seen *event;

	key.tgid = task->tgid;
	key.vcpu_id = vcpu->vcpu_id;
	if (!bpf_map_lookup_elem(&unbound, &key))
		return;
	event = bpf_ringbuf_reserve(&seen, sizeof(*event), 0);
	if (!event)
		return;
	event->tgid = key.tgid;
	event->tid = task->pid;
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
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct pvs_thread *thread;

	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (thread)
		on_event(task, thread, event);
	else if (vcpu && pvs_unbound_count)
		report_thread(task, vcpu);
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
int BPF_PROG(pvs_sched_wakeup, struct task_struct *task)
{
	struct pvs_thread *thread;
	struct pvs_slot *slot;

	if (!task)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (!thread)
		return 0;
	slot = slot_of(thread);
	if (slot)
		slot->woken_at = bpf_ktime_get_ns();
	on_event(task, thread, PVS_WAKE);
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
	struct pvs_thread *thread;

	if (!prev || !next)
		return 0;
	thread = bpf_task_storage_get(&threads, prev, 0, 0);
	if (thread) {
		on_event(prev, thread, halts ? PVS_HALT : PVS_PREEMPT);
		on_switch(thread, halts ? PVSCHED_GRANT_HALTED :
					  PVSCHED_GRANT_PREEMPTED);
	}
	thread = bpf_task_storage_get(&threads, next, 0, 0);
	if (thread) {
		on_switch(thread, 0);
		count_wakeup(thread);
	}
	return 0;
}

/*
 * A vCPU's thread kicks itself, as for its timer: it runs, and need not be looked for.
 * Often the interrupt has been told of, and this is its way into the guest.
 */
static __always_inline int on_own_kick(struct task_struct *task)
{
	struct pvsched_record *record;
	struct pvs_thread *thread;
	struct pvs_slot *slot;

	/* kvm_inj_virq tells the others. */
	if (pvs_applier != PVS_BY_SCHEDULER)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (!thread)
		return 0;
	slot = slot_of(thread);
	record = thread->record;
	if (!slot || !record)
		return 0;
	/* No event may have come since the guest has taken the last one. */
	if (!slot->vcpu.injected || PVS_LOAD(record->irq_ack) == slot->vcpu.irq_ticket)
		on_event(task, thread, PVS_INJECT);
	return 0;
}

/*
 * An interrupt for a vCPU, in the context of whoever raises it: the one event
 * of a vCPU that is preempted, and so the only way to hear of its interrupt
 * before it runs again. Two names because the function moved in 7.3.
 */
static __always_inline int on_kick(struct kvm_vcpu *vcpu)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct pvs_thread *thread;
	struct pid *pid;

	if (!vcpu)
		return 0;
	pid = vcpu->pid;
	if (!pid)
		return 0;
	if (task->thread_pid == pid)
		return on_own_kick(task);
	task = bpf_task_from_pid(BPF_CORE_READ(pid, numbers[0].nr));
	if (!task)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (thread && pvs_applier == PVS_BY_SCHEDULER &&
	    bpf_ksym_exists(scx_bpf_kick_cpu)) {
		/* Nothing tells the scheduler of it later. */
		on_event(task, thread, PVS_INJECT);
		kick(task, thread);
	} else if (thread) {
		on_event(task, thread, PVS_KICK);
	}
	bpf_task_release(task);
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
int BPF_PROG(pvs_prepare_exec, struct task_struct *task)
{
	struct pvs_thread *thread;
	struct pvs_slot *slot;

	if (task->pid == task->tgid)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (!thread)
		return 0;
	slot = slot_of(thread);
	if (slot)
		PVS_STORE(slot->is_renumbered, 1);
	bpf_task_storage_delete(&threads, task);
	return 0;
}

/* Called by pvschedd while a vCPU is boosted: a boost ends without an event. */
SEC("syscall")
int pvs_timer(struct pvs_timer_args *args)
{
	struct pvs_thread *thread;
	struct task_struct *task;

	task = bpf_task_from_pid(args->tid);
	if (!task)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (thread)
		on_event(task, thread, PVS_TIMER);
	bpf_task_release(task);
	return 0;
}
