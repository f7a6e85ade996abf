// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * vCPUs that wait for another vCPU of their VM. The preemption of a vCPU in a
 * critical section harms a VM only if another of its vCPUs waits for the section's
 * end: then the preempted vCPU gets the event AWAITED.
 *
 * A vCPU waits if it spins for so long that the processor or the guest tells KVM, or
 * if it halts with preemption off, as a guest's paravirtual spinlocks do. An idle
 * vCPU halts in its idle loop, which does not count.
 */
#include "host-policy/bpf/decide.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define PVS_WAIT_PLACE(slot, tid) ((__u64)(slot) << 32 | (__u32)(tid))

/* The preempted vCPU in a place of its VM gets the event, unless it has a boost. */
static __noinline int on_awaited(__u64 place, __u32 vm)
{
	__u32 index = place >> 32;
	struct pvs_slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct pvs_vcpu_binding *binding;
	struct task_struct *p;

	if (!place || !slot || PVS_LOAD(slot->off_cpu) != PVSCHED_GRANT_PREEMPTED ||
	    slot->vcpu.state != PVS_NORMAL)
		return 0;
	p = bpf_task_from_pid((__u32)place);
	if (!p)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	/* The place may be of an earlier VM. */
	if (binding && binding->slot == index && binding->vm == vm) {
		on_event(p, binding, PVS_AWAITED);
		after_kick(p, binding);
	}
	bpf_task_release(p);
	return 0;
}

/* A vCPU of the VM begins to wait for another one. */
static __noinline int on_wait(__u32 vm)
{
	struct pvs_vm_waits *waits = bpf_map_lookup_elem(&vm_waits, &vm);
	__u32 i;

	if (!waits)
		return 0;
	PVS_STORE(waits->waited_at, bpf_ktime_get_ns());
	bpf_for(i, 0, PVS_WAIT_PLACES)
		on_awaited(PVS_LOAD(waits->preempted[i]), vm);
	return 0;
}

/* The vCPU is preempted in a critical section. */
static __noinline int note_preempted(struct task_struct *p,
				     struct pvs_vcpu_binding *binding)
{
	struct pvs_vm_waits *waits;
	__u32 vm;

	if (!binding)
		return 0;
	vm = binding->vm;
	waits = bpf_map_lookup_elem(&vm_waits, &vm);
	if (waits)
		PVS_STORE(waits->preempted[binding->vcpu_id & (PVS_WAIT_PLACES - 1)],
			  PVS_WAIT_PLACE(binding->slot, p->pid));
	return 0;
}

/* A vCPU's thread has left its CPU. */
static __always_inline void after_leave(struct task_struct *p,
					struct pvs_vcpu_binding *binding, bool sleeps)
{
	struct pvsched_record *record = binding->record;
	__u64 intent;

	if (!record || !binding->preempt)
		return;
	/* Not the slot's copy: another program may have judged an event meanwhile. */
	intent = PVS_LOAD(record->intent);
	if (pvsched_word_flags(intent) == PVSCHED_INTENT_IDLE ||
	    !pvs_is_critical(intent, PVS_LOAD(binding->preempt->count) & binding->preempt_mask))
		return;
	if (sleeps)
		on_wait(binding->vm);
	else
		note_preempted(p, binding);
}

/* A vCPU spins: the processor has counted pauses, or the guest says it by a hypercall. */
SEC("?fentry/kvm_vcpu_on_spin")
int BPF_PROG(pvs_kvm_vcpu_on_spin, struct kvm_vcpu *vcpu)
{
	struct pvs_vcpu_binding *binding;
	struct task_struct *p;
	struct pid *pid;
	int tid;

	if (!vcpu || !pvs_binds)
		return 0;
	pid = vcpu->pid;
	tid = pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;
	if (!tid || !may_be_bound(tid))
		return 0;
	p = bpf_task_from_pid(tid);
	if (!p)
		return 0;
	if (pvs_masks_preemption)
		bpf_preempt_disable();
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding)
		on_wait(binding->vm);
	if (pvs_masks_preemption)
		bpf_preempt_enable();
	bpf_task_release(p);
	return 0;
}
