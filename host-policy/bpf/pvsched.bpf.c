// SPDX-License-Identifier: GPL-2.0
/*
 * Events of vCPU threads, turned into decisions of the policy core.
 *
 * The record is read here, at the moment of the decision, through the page
 * that the kernel pinned: no copy, no system call, no hypercall. What the
 * guest writes is a request; pvs_decide() validates and caps it.
 */
#include "host-policy/bpf/kernel_types.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "host-policy/bpf/layout.h"

/* One access, of the whole word: the other side is not ours. */
#define PVS_LOAD(x) (*(const volatile __typeof__(x) *)&(x))
#define PVS_STORE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

char _license[] SEC("license") = "GPL";

/*
 * clang emits a type's full BTF only if the object uses the type itself, and
 * the kernel must know the record to let programs into it.
 */
struct pvsched_record pvs_record_type SEC(".data.type");

/* Registered vCPUs whose thread is unknown; 0 spares other VMs the look-up. */
__u32 pvs_unbound_count;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pvs_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PVS_MAX_VCPUS);
	__type(key, __u32);
	__type(value, struct pvs_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_VMS);
	__type(key, __u32);
	__type(value, struct pvs_tunables);
} vms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PVS_MAX_VCPUS);
	__type(key, struct pvs_unbound_key);
	__type(value, __u32);
} unbound SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} decisions SEC(".maps");

static void publish(struct pvs_slot *slot, __u32 index, __u64 grant)
{
	struct pvs_decision *decision;

	decision = bpf_ringbuf_reserve(&decisions, sizeof(*decision), 0);
	/* Full: `wanted` stays behind, so that the next event tries again. */
	if (!decision)
		return;
	decision->slot = index;
	decision->reserved = 0;
	PVS_STORE(slot->wanted, grant);
	bpf_ringbuf_submit(decision, 0);
}

static __always_inline void on_event(struct task_struct *task,
				     struct pvs_thread *thread, __u32 event)
{
	struct pvsched_record *record = thread->record;
	__u32 index = thread->slot, vm = thread->vm;
	struct pvs_tunables *tunables;
	struct pvs_slot *slot;
	__u64 intent, waiting, cpu_ns, before, grant;

	slot = bpf_map_lookup_elem(&slots, &index);
	tunables = bpf_map_lookup_elem(&vms, &vm);
	if (!record || !slot || !tunables)
		return;
	/*
	 * Every event of a vCPU comes on its own thread, but a program can be
	 * preempted, and sched_switch then comes in the middle of another.
	 */
	if (slot->busy) {
		slot->lost++;
		return;
	}
	slot->busy = 1;
	barrier();

	/* In this order: see struct pvsched_record. */
	waiting = PVS_LOAD(record->waiting);
	intent = PVS_LOAD(record->intent);
	cpu_ns = task->se.sum_exec_runtime;
	slot->events++;
	if (pvs_stands(&slot->vcpu, event, cpu_ns, intent, waiting) &&
	    slot->wanted == slot->vcpu.grant)
		goto out;
	before = slot->vcpu.grant;
	grant = pvs_decide(tunables, &slot->vcpu, event, bpf_ktime_get_ns(),
			   cpu_ns, intent, waiting);
	if (grant != before) {
		PVS_STORE(record->grant, grant);
		PVS_STORE(record->boosted_ns, slot->vcpu.boosted_ns);
		PVS_STORE(record->throttle_count, slot->vcpu.throttles);
	}
	if (tunables->mode == PVS_OBSERVE)
		grant = 0;
	if (grant != slot->wanted)
		publish(slot, index, grant);
out:
	barrier();
	slot->busy = 0;
}

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
 * A vCPU's thread leaves its CPU. Asleep it halts, or waits for its VMM: what
 * wakes it then is an interrupt or an answer, that is, news for the guest.
 */
SEC("tp_btf/sched_switch")
int BPF_PROG(pvs_sched_switch, bool preempt, struct task_struct *prev,
	     struct task_struct *next, unsigned int prev_state)
{
	struct pvs_thread *thread;

	if (!prev)
		return 0;
	thread = bpf_task_storage_get(&threads, prev, 0, 0);
	if (thread)
		on_event(prev, thread,
			 preempt || !prev_state ? PVS_PREEMPT : PVS_HALT);
	return 0;
}
