// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Interrupts that are raised for a vCPU, in any context. For a preempted vCPU
 * they are the only event: without these hooks an interrupt shows only when the
 * vCPU runs again.
 *
 * KVM has two ways to tell a vCPU. It kicks the vCPU: with an emulated APIC for
 * each interrupt, with APIC virtualisation for the timer, NMI, INIT and SIPI. Or
 * it has posted the interrupt to the processor's APIC page or descriptor, and
 * wakes the vCPU in case it sleeps. Both functions serve requests without an
 * interrupt as well. So each hook looks for the interrupt in the state that KVM
 * changed before the call. What the one hook looks for the other ignores, as
 * some kernels call the second function inside the first.
 *
 * Each function has two programs. The kernel runs no program twice on a CPU, so an
 * interrupt that arrives while one of them runs, and raises an interrupt for another
 * vCPU, is seen by the other one only.
 *
 * The including object defines after_kick(), what follows the decision, and
 * needs_wake_ups(): whether that needs the calls without an interrupt.
 */
#include "host-policy/bpf/decide.bpf.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* Which of a function's two programs runs. */
#define PVS_KICK_FIRST 1
#define PVS_KICK_SECOND 2

/* The call that one of the two programs has served last on this CPU. */
struct pvs_served_kick {
	__u64 vcpu;
	__u64 program; /* PVS_KICK_FIRST or _SECOND */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pvs_served_kick);
} kicks_served SEC(".maps");

/* The request registers in the APIC's page: 8 words, 16 bytes apart. */
#define PVS_APIC_IRR 0x200
#define PVS_APIC_IRR_WORDS (7 * 4 + 1)

/*
 * The reads of struct kvm_lapic are calls of a helper: to the verifier the
 * pointer may lead to a type that only KVM's other source files know.
 */
static __always_inline bool has_kicked_irq(const struct kvm_vcpu *vcpu,
					   const struct kvm_lapic *apic,
					   bool is_apicv_active)
{
	return (!is_apicv_active && BPF_CORE_READ(apic, irr_pending)) ||
	       BPF_CORE_READ(apic, lapic_timer.pending.counter) ||
	       vcpu->arch.nmi_queued.counter || BPF_CORE_READ(apic, pending_events);
}

/* Intel posts to the descriptor, and moves the vectors to the page at VM entry. */
static __noinline bool has_irq_in_descriptor(const struct vcpu_vmx *vmx)
{
	const struct vcpu_vmx___without_vt *old = (const void *)vmx;
	__u64 pir[4] = {};

	if (bpf_core_field_exists(vmx->vt))
		bpf_core_read(pir, sizeof(pir), &vmx->vt.pi_desc);
	else
		bpf_core_read(pir, sizeof(pir), &old->pi_desc);
	return pir[0] | pir[1] | pir[2] | pir[3];
}

/* AMD posts to the page. */
static __noinline bool has_irq_in_page(const void *regs)
{
	__u32 irr[PVS_APIC_IRR_WORDS] = {}, all = 0;
	int i;

	bpf_probe_read_kernel(irr, sizeof(irr), regs + PVS_APIC_IRR);
	for (i = 0; i < PVS_APIC_IRR_WORDS; i += 4)
		all |= irr[i];
	return all;
}

static __always_inline bool has_posted_irq(const struct kvm_vcpu *vcpu,
					   const struct kvm_lapic *apic,
					   bool is_apicv_active)
{
	if (!is_apicv_active)
		return false;
	/* This type exists only where kvm_intel is loaded. */
	if (bpf_core_type_exists(struct vcpu_vmx))
		return has_irq_in_descriptor((const void *)vcpu);
	return has_irq_in_page(BPF_CORE_READ(apic, regs));
}

/*
 * A vCPU's own thread raises an interrupt, as for its timer: the vCPU runs, so
 * no CPU is searched. Most often the interrupt was an event already, and this
 * is its injection into the guest.
 */
static __always_inline void on_own_irq(struct task_struct *p)
{
	struct pvs_vcpu_binding *binding;
	struct pvsched_record *record;
	struct pvs_slot *slot;

	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		return;
	slot = slot_of(binding);
	record = binding->record;
	if (!slot || !record)
		return;
	/* No event may have come since the guest acknowledged the last interrupt. */
	if (!slot->vcpu.injected || PVS_LOAD(record->irq_ack) == slot->vcpu.irq_ticket)
		on_event(p, binding, PVS_INJECT);
}

static __always_inline void on_kick(const struct kvm_vcpu *vcpu, bool has_irq,
				    bool is_injection_seen)
{
	struct task_struct *current = (void *)bpf_get_current_task_btf();
	struct pvs_vcpu_binding *binding;
	struct pid *pid = vcpu->pid;
	struct task_struct *p;
	int tid;

	if (!pid)
		return;
	if (current->thread_pid == pid) {
		if (has_irq && !is_injection_seen)
			on_own_irq(current);
		return;
	}
	/* Most kicks of a host with unserved VMs end here. */
	tid = BPF_CORE_READ(pid, numbers[0].nr);
	if (!may_be_bound(tid))
		return;
	p = bpf_task_from_pid(tid);
	if (!p)
		return;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding) {
		if (has_irq)
			on_event(p, binding,
				 is_injection_seen ? PVS_KICK : PVS_KICK_WITH_TICKET);
		after_kick(p, binding);
	}
	bpf_task_release(p);
}

/*
 * Whether the other program has served this call; else this one is to serve it. After
 * an interrupt between the two programs both may serve the call, which is harmless.
 */
static __always_inline bool is_served(struct kvm_vcpu *vcpu, __u32 program)
{
	__u32 key = 0;
	struct pvs_served_kick *served = bpf_map_lookup_elem(&kicks_served, &key);

	if (!served)
		return false;
	if (served->vcpu == (__u64)vcpu && served->program != program) {
		served->vcpu = 0;
		return true;
	}
	served->vcpu = (__u64)vcpu;
	served->program = program;
	return false;
}

/*
 * Runs with interrupts disabled: a program that was preempted or interrupted here
 * would leave the next interrupts on this CPU to the second program alone. With kfunc
 * only preemption is disabled, so that the module can apply a grant at once.
 */
static __always_inline int on_call(struct kvm_vcpu *vcpu, bool is_kick, __u32 program)
{
	const bool masks_irqs = pvs_masks_preemption && pvs_actuator != PVS_ACTUATOR_KFUNC;
	const bool masks_preemption = pvs_masks_preemption && !masks_irqs;
	const struct kvm_lapic *apic;
	bool is_apicv_active, has_irq;
	unsigned long flags;

	if (!vcpu || !pvs_binds || is_served(vcpu, program))
		return 0;
	if (masks_irqs)
		bpf_local_irq_save(&flags);
	if (masks_preemption)
		bpf_preempt_disable();
	apic = vcpu->arch.apic;
	is_apicv_active = apic && BPF_CORE_READ(apic, apicv_active);
	has_irq = apic && (is_kick ? has_kicked_irq(vcpu, apic, is_apicv_active) :
				     has_posted_irq(vcpu, apic, is_apicv_active));
	if (has_irq || needs_wake_ups())
		/* The tracepoint of an injection serves agent and kfunc. */
		on_kick(vcpu, has_irq,
			pvs_actuator != PVS_ACTUATOR_SCX && !is_apicv_active);
	if (masks_preemption)
		bpf_preempt_enable();
	if (masks_irqs)
		bpf_local_irq_restore(&flags);
	return 0;
}

SEC("?fentry/kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick, struct kvm_vcpu *vcpu)
{
	return on_call(vcpu, true, PVS_KICK_FIRST);
}

SEC("?fentry/kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick_2nd, struct kvm_vcpu *vcpu)
{
	return on_call(vcpu, true, PVS_KICK_SECOND);
}

/* From 7.3 on kvm_vcpu_kick() is inline over this function. */
SEC("?fentry/__kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick_73, struct kvm_vcpu *vcpu)
{
	return on_call(vcpu, true, PVS_KICK_FIRST);
}

SEC("?fentry/__kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick_73_2nd, struct kvm_vcpu *vcpu)
{
	return on_call(vcpu, true, PVS_KICK_SECOND);
}

SEC("?fentry/kvm_vcpu_wake_up")
int BPF_PROG(pvs_kvm_vcpu_wake_up, struct kvm_vcpu *vcpu)
{
	return on_call(vcpu, false, PVS_KICK_FIRST);
}

SEC("?fentry/kvm_vcpu_wake_up")
int BPF_PROG(pvs_kvm_vcpu_wake_up_2nd, struct kvm_vcpu *vcpu)
{
	return on_call(vcpu, false, PVS_KICK_SECOND);
}
