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
#include "host-policy/core/default_policy.h"

/* One access, of the whole word: the other side is not ours. */
#define PVS_LOAD(x) (*(const volatile __typeof__(x) *)&(x))
#define PVS_STORE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

char _license[] SEC("license") = "GPL";

/*
 * clang emits a type's full BTF only if the object uses the type itself, and
 * the kernel must know the record to let programs into it.
 */
struct pvsched_record pvs_record_type SEC(".data.type");
struct pvs_preempt_count pvs_preempt_count_type SEC(".data.type");

/* Registered vCPUs whose thread is unknown; 0 spares other VMs the look-up. */
__u32 pvs_unbound_count;
/* Somebody reads the `trace` ring. */
__u32 pvs_tracing;
/* Decisions are applied here, by the module pvsched_host. */
__u32 pvs_in_kernel;

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

/* Not 0: pvschedd looks at the boosted vCPUs from time to time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} watched SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} trace SEC(".maps");

/*
 * The policy. Weak: an object that brings a function of this name takes its
 * place when pvschedd links the two. A function of its own to the verifier,
 * so that a policy is judged once and by itself.
 */
__weak __u64 pvs_policy(const struct pvs_view *view)
{
	if (!view)
		return pvs_propose_keep();
	return pvs_default_policy(view);
}

static int tell(__u32 index)
{
	struct pvs_decision *decision;

	decision = bpf_ringbuf_reserve(&decisions, sizeof(*decision), 0);
	if (!decision)
		return -1;
	decision->slot = index;
	decision->reserved = 0;
	bpf_ringbuf_submit(decision, 0);
	return 0;
}

/* To the agent. Full: `wanted` stays behind, so that the next event tries again. */
static __always_inline void publish(struct pvs_slot *slot, __u32 index,
				    __u64 grant)
{
	__u64 before = slot->wanted;

	/* Before the agent is told: it looks at once. */
	PVS_STORE(slot->wanted, grant);
	if (tell(index))
		PVS_STORE(slot->wanted, before);
}

/* There is a boost to end in time, if nothing else ends it. */
static __always_inline void watch(__u32 index)
{
	__u32 key = 0, *is_watched;

	is_watched = bpf_map_lookup_elem(&watched, &key);
	if (!is_watched || PVS_LOAD(*is_watched))
		return;
	PVS_STORE(*is_watched, 1);
	if (tell(index))
		PVS_STORE(*is_watched, 0);
}

/*
 * At once, where the module says that it may. pvschedd clears `watched`, then
 * looks at all `wanted`; here `wanted` is set, then `watched` is looked at, with
 * a barrier between: so one of the two sees the other's.
 */
static __always_inline void apply(struct pvs_slot *slot, __u32 index,
				  __u64 grant)
{
	__sync_lock_test_and_set(&slot->wanted, grant);
	pvsched_host_apply(index, grant);
	if (pvsched_word_flags(grant) & PVSCHED_GRANT_BOOSTED)
		watch(index);
}

static void trace_decision(const struct pvs_slot *slot, __u32 index,
			   const struct pvs_input *in, __u64 before)
{
	struct pvs_trace *entry;

	entry = bpf_ringbuf_reserve(&trace, sizeof(*entry), 0);
	if (!entry)
		return;
	entry->now = in->now;
	entry->intent = in->intent;
	entry->waiting = in->waiting;
	entry->before = before;
	entry->grant = slot->vcpu.grant;
	entry->boost_used_ns = slot->vcpu.boost.used_ns;
	entry->slot = index;
	entry->event = in->event;
	entry->state = slot->vcpu.state;
	entry->critical = in->critical;
	bpf_ringbuf_submit(entry, 0);
}

/*
 * The slow half of on_event(): something has changed. Returns the grant that
 * the thread is to have.
 */
static __u64 decide(struct pvs_thread *thread, struct pvsched_record *record,
		    struct pvs_slot *slot, const struct pvs_tunables *tunables,
		    struct pvs_input *in)
{
	__u64 before = slot->vcpu.grant, grant;
	struct pvs_view view = {};

	in->now = bpf_ktime_get_ns();
	view.vcpu_id = thread->vcpu_id;
	view.vm = thread->vm;
	if (pvs_begin(tunables, &slot->vcpu, in, &view))
		pvs_finish(tunables, &slot->vcpu, pvs_policy(&view));
	grant = slot->vcpu.grant;

	if (in->event == PVS_INJECT)
		PVS_STORE(record->irq_ticket, slot->vcpu.irq_ticket);
	if (grant != before) {
		PVS_STORE(record->grant, grant);
		PVS_STORE(record->boosted_ns, slot->vcpu.boosted_ns);
		PVS_STORE(record->throttle_count, slot->vcpu.throttles);
		if (pvs_tracing)
			trace_decision(slot, thread->slot, in, before);
	}
	return tunables->mode == PVS_OBSERVE ? 0 : grant;
}

static __always_inline void on_event(struct task_struct *task,
				     struct pvs_thread *thread, __u32 event)
{
	struct pvsched_record *record = thread->record;
	__u32 index = thread->slot, vm = thread->vm;
	struct pvs_tunables *tunables;
	struct pvs_input in = {};
	struct pvs_slot *slot;
	__u64 grant;

	slot = bpf_map_lookup_elem(&slots, &index);
	tunables = bpf_map_lookup_elem(&vms, &vm);
	if (!record || !slot || !tunables)
		return;
	/*
	 * A program can be preempted, and sched_switch then comes in the
	 * middle of another; and a waker or an injector is on another CPU.
	 */
	if (__sync_lock_test_and_set(&slot->busy, 1)) {
		slot->lost++;
		return;
	}
	in.event = event;
	in.cpu_ns = task->se.sum_exec_runtime;
	/*
	 * In this order: see struct pvsched_record for the words; and an
	 * acknowledgement speaks of words at least as new as itself. It and
	 * the preempt count change all the time, so they are read only where
	 * they can make a difference: else no decision would ever stand.
	 */
	in.acks = thread->acks;
	in.irq_ack = slot->vcpu.irq_ack;
	if (in.acks && slot->vcpu.injected_at)
		in.irq_ack = PVS_LOAD(record->irq_ack);
	in.waiting = PVS_LOAD(record->waiting);
	in.intent = PVS_LOAD(record->intent);
	if (thread->preempt &&
	    (event == PVS_PREEMPT || pvsched_word_flags(slot->vcpu.grant) &
					     PVSCHED_GRANT_CRITICAL))
		in.critical = PVS_LOAD(thread->preempt->count) &
			      thread->preempt_mask;
	slot->events++;
	if (!pvs_stands(&slot->vcpu, &in) ||
	    slot->wanted != slot->vcpu.grant) {
		grant = decide(thread, record, slot, tunables, &in);
		if (grant != slot->wanted) {
			if (pvs_in_kernel && bpf_ksym_exists(pvsched_host_apply))
				apply(slot, index, grant);
			else
				publish(slot, index, grant);
		}
	}
	barrier();
	PVS_STORE(slot->busy, 0);
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

/* The bucket of a time, by powers of two of microseconds. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u64 us = ns / 1000;
	__u32 bucket = 0;

	if (us >> 16) {
		bucket += 16;
		us >>= 16;
	}
	if (us >> 8) {
		bucket += 8;
		us >>= 8;
	}
	if (us >> 4) {
		bucket += 4;
		us >>= 4;
	}
	if (us >> 2) {
		bucket += 2;
		us >>= 2;
	}
	bucket += us >> 1;
	return bucket < PVS_BUCKETS ? bucket : PVS_BUCKETS - 1;
}

static __always_inline struct pvs_slot *slot_of(struct pvs_thread *thread)
{
	__u32 index = thread->slot;

	return bpf_map_lookup_elem(&slots, &index);
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

static __always_inline void count_wakeup(struct pvs_thread *thread)
{
	struct pvs_slot *slot = slot_of(thread);
	__u32 bucket;

	if (!slot || !slot->woken_at)
		return;
	bucket = bucket_of(bpf_ktime_get_ns() - slot->woken_at);
	slot->woken_at = 0;
	if (slot->vcpu.state == PVS_BOOSTED)
		slot->wakeup_us[1][bucket]++;
	else
		slot->wakeup_us[0][bucket]++;
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
	struct pvs_thread *thread;

	if (!prev || !next)
		return 0;
	thread = bpf_task_storage_get(&threads, prev, 0, 0);
	if (thread)
		on_event(prev, thread,
			 preempt || !prev_state ? PVS_PREEMPT : PVS_HALT);
	thread = bpf_task_storage_get(&threads, next, 0, 0);
	if (thread)
		count_wakeup(thread);
	return 0;
}

/*
 * An interrupt for a vCPU, in the context of whoever raises it: the one event
 * of a vCPU that is preempted, and so the only way to hear of its interrupt
 * before it runs again. Two names because the function moved in 7.3.
 */
static __always_inline int on_kick(struct kvm_vcpu *vcpu)
{
	struct pvs_thread *thread;
	struct task_struct *task;
	struct pid *pid;

	if (!vcpu)
		return 0;
	pid = vcpu->pid;
	if (!pid)
		return 0;
	task = bpf_task_from_pid(BPF_CORE_READ(pid, numbers[0].nr));
	if (!task)
		return 0;
	thread = bpf_task_storage_get(&threads, task, 0, 0);
	if (thread)
		on_event(task, thread, PVS_KICK);
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
