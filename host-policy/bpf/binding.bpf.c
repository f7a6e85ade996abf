// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Programs of both objects: the search for a vCPU's thread, the end of a binding
 * at exec, and a decision on request.
 */
#ifndef PVSCHED_BINDING_BPF_C
#define PVSCHED_BINDING_BPF_C

#include "host-policy/bpf/decide.bpf.h"

#include <bpf/bpf_tracing.h>

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
	/* Reports once for each registration: the side that deletes the key. */
	if (bpf_map_delete_elem(&unbound, &key)) {
		bpf_ringbuf_discard(event, 0);
		return;
	}
	__sync_fetch_and_sub(&pvs_unbound_count, 1);
	bpf_ringbuf_submit(event, 0);
}

/* An event of the current thread. With `vcpu`, it may be a thread to report. */
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

/*
 * The thread is about to execute a program. A thread that is not its process's
 * main thread then gets that thread's tid, and its own tid ends. So its binding
 * ends here: later no process could name the thread. It still has its grant.
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

/* pvschedd's timer, while a vCPU is boosted: a boost must end without an event. */
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

#endif /* PVSCHED_BINDING_BPF_C */
