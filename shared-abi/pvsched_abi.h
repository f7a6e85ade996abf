/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * pvsched: the interface between a guest, its VMM and its host.
 *
 * The guest's kernel module, the BPF programs and C++ include this header
 * unchanged. All fields are little-endian and naturally aligned. Reserved bytes
 * are zero and ignored. A change of meaning changes PVSCHED_VERSION_MAJOR or
 * adds a feature bit. The reference page on the ABI describes the protocol.
 */
#ifndef PVSCHED_ABI_H
#define PVSCHED_ABI_H

#include <linux/types.h>

#ifdef __cplusplus
#include <cstddef>
#define PVSCHED_STATIC_ASSERT(expr, msg) static_assert(expr, msg)
#define PVSCHED_OFFSETOF(type, member) offsetof(type, member)
#else
#define PVSCHED_STATIC_ASSERT(expr, msg) _Static_assert(expr, msg)
#define PVSCHED_OFFSETOF(type, member) __builtin_offsetof(type, member)
#endif

#define PVSCHED_MAGIC 0x44435650u /* "PVCD" in memory order */
#define PVSCHED_VERSION_MAJOR 1
#define PVSCHED_VERSION_MINOR 0
#define PVSCHED_VERSION \
	(((__u32)PVSCHED_VERSION_MAJOR << 16) | PVSCHED_VERSION_MINOR)

/*
 * PCI identity. QEMU reserves 1af4:10f0-10ff for experiments
 * (docs/specs/pci-ids.rst); a product needs its own id.
 */
#define PVSCHED_PCI_VENDOR_ID 0x1af4
#define PVSCHED_PCI_DEVICE_ID 0x10f5
#define PVSCHED_PCI_CLASS 0x088000 /* base system peripheral, other */
#define PVSCHED_PCI_REVISION 1

/* --- BAR0 ------------------------------------------------------------- */

#define PVSCHED_BAR0_SIZE 4096

/*
 * Registers. A 32-bit register takes naturally aligned 4-byte accesses. A 64-bit
 * register (marked q) takes naturally aligned 8-byte accesses. A write of another
 * width, or to a read-only register, has no effect. A read may have any naturally
 * aligned width up to 8 bytes; an offset without a register reads as zero.
 */
#define PVSCHED_REG_MAGIC 0x000 /* RO  PVSCHED_MAGIC */
#define PVSCHED_REG_VERSION 0x004 /* RO  major << 16 | minor */
#define PVSCHED_REG_DEVICE_FEATURES 0x008 /* RO q PVSCHED_F_*, offered */
#define PVSCHED_REG_DRIVER_FEATURES 0x010 /* RW q the driver's subset */
#define PVSCHED_REG_DRIVER_VERSION 0x018 /* RW  the driver's version */
#define PVSCHED_REG_STATUS 0x01c /* RW  PVSCHED_STATUS_*; 0 resets */
#define PVSCHED_REG_MAX_VCPUS 0x020 /* RO  every vCPU id is below this */
#define PVSCHED_REG_RECORD_SIZE 0x024 /* RO  PVSCHED_RECORD_SIZE */
#define PVSCHED_REG_VCPU_SELECT 0x040 /* RW  APIC id for RECORD_ADDR */
/* PVSCHED_RESULT_* of the last write to RECORD_ADDR or STATUS. */
#define PVSCHED_REG_RESULT 0x044 /* RO */
/* Guest-physical address of the selected vCPU's record; 0 withdraws it. */
#define PVSCHED_REG_RECORD_ADDR 0x048 /* RW q */
/* The nonce that the device read at the address last written. */
#define PVSCHED_REG_NONCE 0x050 /* RO q */
#define PVSCHED_REG_REGISTERED 0x058 /* RO  how many records are held */

/*
 * Status, in virtio's order. The device accepts FEATURES_OK only if the driver's
 * major version is the device's, and if the driver's features are a subset of the
 * device's. The driver reads the status back to check this. Writing 0 withdraws
 * every record. When the status reads as 0, the host no longer accesses the
 * guest's memory, unless RESULT is HOST_TIMEOUT.
 */
#define PVSCHED_STATUS_ACKNOWLEDGE 0x01
#define PVSCHED_STATUS_DRIVER 0x02
#define PVSCHED_STATUS_DRIVER_OK 0x04
#define PVSCHED_STATUS_FEATURES_OK 0x08
#define PVSCHED_STATUS_FAILED 0x80

/* Feature bits. */
#define PVSCHED_F_GRANT (1ull << 0) /* the guest may read line 2 */
#define PVSCHED_F_PREEMPT_COUNT (1ull << 1) /* preempt_count_* are valid */
#define PVSCHED_F_IRQ_TICKET (1ull << 2) /* irq_ticket and irq_ack are used */
#define PVSCHED_F_RAN_URGENT (1ull << 3) /* urgent_* are used */

/*
 * Results, in the order in which the device checks a request: the first failed
 * check gives the result. A failed registration changes no other state.
 *
 * After HOST_TIMEOUT the memory must not have another use until a withdrawal or
 * a reset gives OK. BAD_RECORD is also the result for memory that the VMM does
 * not share with the device.
 */
enum pvsched_result {
	PVSCHED_RESULT_OK = 0,
	PVSCHED_RESULT_NOT_READY = 1, /* FEATURES_OK is not set, or FAILED is */
	PVSCHED_RESULT_BAD_VCPU = 2, /* VCPU_SELECT >= MAX_VCPUS */
	PVSCHED_RESULT_ALREADY = 3, /* vCPU has a record: withdraw it first */
	PVSCHED_RESULT_UNALIGNED = 4, /* address is no multiple of 256 */
	PVSCHED_RESULT_NOT_MAPPED = 5, /* not in memory the device can reach */
	PVSCHED_RESULT_READ_ONLY = 6, /* in memory the device may not write */
	PVSCHED_RESULT_IN_USE = 7, /* another vCPU's record has this address */
	PVSCHED_RESULT_BAD_RECORD = 8, /* magic, version, size or vCPU id */
	PVSCHED_RESULT_REFUSED = 9, /* pvschedd refused */
	PVSCHED_RESULT_HOST_TIMEOUT = 10, /* pvschedd did not answer */
};

/* --- the record ------------------------------------------------------- */

/* One per vCPU, aligned to its size, so it never crosses a page. */
#define PVSCHED_RECORD_SIZE 256
#define PVSCHED_LINE_SIZE 64

/*
 * The priority word: 8 bytes that state an urgency. Every access reads or writes
 * all 8 bytes at once. Zero is SCHED_NORMAL, nice 0, no flags.
 *
 *   bits  0-7   policy   Linux's SCHED_* value
 *   bits  8-15  nice     signed, -20..19; for NORMAL, BATCH and EXT
 *   bits 16-23  rt_prio  1..99; for FIFO and RR
 *   bits 24-31  flags    PVSCHED_INTENT_*, PVSCHED_WAITING_* or
 *                        PVSCHED_GRANT_*, depending on the field
 *   bits 32-63  zero
 */
#define PVSCHED_WORD_POLICY_SHIFT 0
#define PVSCHED_WORD_NICE_SHIFT 8
#define PVSCHED_WORD_RT_PRIO_SHIFT 16
#define PVSCHED_WORD_FLAGS_SHIFT 24

#define PVSCHED_POLICY_NORMAL 0
#define PVSCHED_POLICY_FIFO 1
#define PVSCHED_POLICY_RR 2
#define PVSCHED_POLICY_BATCH 3
#define PVSCHED_POLICY_IDLE 5
#define PVSCHED_POLICY_DEADLINE 6
#define PVSCHED_POLICY_EXT 7

/* Flags of `intent`: the context that the vCPU runs. */
#define PVSCHED_INTENT_IDLE 0x01 /* the idle task */
#define PVSCHED_INTENT_HARDIRQ 0x02
#define PVSCHED_INTENT_SOFTIRQ 0x04

/* Flags of `waiting`. */
#define PVSCHED_WAITING_VALID 0x01 /* a task waits; else ignore `waiting` */

/* Flags of `grant`: the vCPU's state as the host's policy sees it. */
#define PVSCHED_GRANT_BOOSTED 0x01
#define PVSCHED_GRANT_THROTTLED 0x02
#define PVSCHED_GRANT_HALTED 0x04 /* off its CPU: the thread sleeps */
#define PVSCHED_GRANT_PREEMPTED 0x08 /* off its CPU: preempted */
#define PVSCHED_GRANT_LOWERED 0x20 /* below the thread's baseline */
#define PVSCHED_GRANT_CRITICAL 0x40 /* boosted for a critical section */

static inline __u64 pvsched_word(__u32 policy, __s32 nice, __u32 rt_prio,
				 __u32 flags)
{
	return (__u64)(policy & 0xff) << PVSCHED_WORD_POLICY_SHIFT |
	       (__u64)((__u32)nice & 0xff) << PVSCHED_WORD_NICE_SHIFT |
	       (__u64)(rt_prio & 0xff) << PVSCHED_WORD_RT_PRIO_SHIFT |
	       (__u64)(flags & 0xff) << PVSCHED_WORD_FLAGS_SHIFT;
}

static inline __u32 pvsched_word_policy(__u64 word)
{
	return (__u32)(word >> PVSCHED_WORD_POLICY_SHIFT) & 0xff;
}

static inline __s32 pvsched_word_nice(__u64 word)
{
	return (__s8)((word >> PVSCHED_WORD_NICE_SHIFT) & 0xff);
}

static inline __u32 pvsched_word_rt_prio(__u64 word)
{
	return (__u32)(word >> PVSCHED_WORD_RT_PRIO_SHIFT) & 0xff;
}

static inline __u32 pvsched_word_flags(__u64 word)
{
	return (__u32)(word >> PVSCHED_WORD_FLAGS_SHIFT) & 0xff;
}

/*
 * The urgency of a valid priority word; a higher value is more urgent. Guest and
 * host order priority words by this function only. The order is Linux's: IDLE,
 * then the fair class by nice, then FIFO and RR by rt_prio, then DEADLINE. Flags
 * have no influence. The value itself never crosses the guest-host boundary.
 */
#define PVSCHED_URGENCY_IDLE 10
#define PVSCHED_URGENCY_NICE_0 100
#define PVSCHED_URGENCY_RT 200 /* FIFO, RR and DEADLINE are above this */
#define PVSCHED_URGENCY_DEADLINE 400

static inline __u32 pvsched_urgency(__u64 word)
{
	switch (pvsched_word_policy(word)) {
	case PVSCHED_POLICY_DEADLINE:
		return PVSCHED_URGENCY_DEADLINE;
	case PVSCHED_POLICY_FIFO:
	case PVSCHED_POLICY_RR:
		return PVSCHED_URGENCY_RT + pvsched_word_rt_prio(word);
	case PVSCHED_POLICY_IDLE:
		return PVSCHED_URGENCY_IDLE;
	default:
		return (__u32)(PVSCHED_URGENCY_NICE_0 - pvsched_word_nice(word));
	}
}

/* Each 64-byte line has one writing side. */
struct pvsched_record {
	/* Line 0: the guest writes it once, before it registers the record. */
	__u32 magic; /* PVSCHED_MAGIC */
	__u16 version; /* PVSCHED_VERSION_MAJOR */
	__u16 size; /* PVSCHED_RECORD_SIZE */
	__u32 vcpu_id; /* APIC id, as in VCPU_SELECT */
	__u32 reserved0;
	__u64 nonce; /* random, new for each registration */
	__u64 preempt_count_addr; /* PVSCHED_F_PREEMPT_COUNT: DMA address of a u32 */
	__u32 preempt_count_mask; /* its bits that forbid preemption */
	__u32 reserved1[7];

	/*
	 * Line 1: the guest writes it at every switch, wake-up and interrupt.
	 * The vCPU's demand is the more urgent of the two priority words.
	 *
	 * Each priority word has one writer at a time, so no write needs an
	 * atomic operation. Only the vCPU itself writes `intent`. The CPU that
	 * wakes or raises a task of this vCPU writes `waiting`, under the
	 * guest's run-queue lock.
	 *
	 * When a waiting task starts to run, the guest writes `intent` first
	 * and `waiting` second. The host reads `waiting` first and `intent`
	 * second. x86 keeps the order of stores and the order of loads, so the
	 * host sees the task in at least one of the two.
	 *
	 * A waiting task that is not more urgent than `intent` does not change
	 * the demand, so the guest need not write it.
	 *
	 * The guest writes `irq_ack` after the priority words; the host reads
	 * `irq_ack` before them.
	 */
	__u64 intent; /* the running task */
	__u64 waiting; /* the most urgent waiting task */
	__u32 irq_ack; /* PVSCHED_F_IRQ_TICKET: last ticket seen */
	/*
	 * PVSCHED_F_RAN_URGENT: a real-time task may start and sleep between two
	 * reads of `intent` by the host. When one leaves the CPU, the guest stores
	 * the low half of its priority word, then adds 1 to the count, which wraps.
	 * The host reads the count first.
	 */
	__u32 urgent_word; /* flags are ignored */
	__u32 urgent_count;
	__u32 reserved2[9];

	/* Line 2: the host writes it; PVSCHED_F_GRANT: the guest reads it. */
	__u64 grant; /* the priority in force, and the vCPU's state */
	__u32 irq_ticket; /* counts injected interrupts, wrapping */
	__u32 throttle_count; /* counts throttlings, wrapping */
	__u64 boosted_ns; /* CPU time used while boosted */
	__u64 reserved3[5];

	/* Line 3: zero; reserved for feature bits. */
	__u64 reserved4[8];
} __attribute__((aligned(PVSCHED_RECORD_SIZE)));

#define PVSCHED_ASSERT_OFFSET(member, offset) \
	PVSCHED_STATIC_ASSERT( \
		PVSCHED_OFFSETOF(struct pvsched_record, member) == (offset), \
		"pvsched_record." #member " is not at " #offset)

PVSCHED_STATIC_ASSERT(sizeof(struct pvsched_record) == PVSCHED_RECORD_SIZE,
		      "pvsched_record has a wrong size");
PVSCHED_ASSERT_OFFSET(magic, 0);
PVSCHED_ASSERT_OFFSET(version, 4);
PVSCHED_ASSERT_OFFSET(size, 6);
PVSCHED_ASSERT_OFFSET(vcpu_id, 8);
PVSCHED_ASSERT_OFFSET(nonce, 16);
PVSCHED_ASSERT_OFFSET(preempt_count_addr, 24);
PVSCHED_ASSERT_OFFSET(preempt_count_mask, 32);
PVSCHED_ASSERT_OFFSET(intent, 64);
PVSCHED_ASSERT_OFFSET(waiting, 72);
PVSCHED_ASSERT_OFFSET(irq_ack, 80);
PVSCHED_ASSERT_OFFSET(urgent_word, 84);
PVSCHED_ASSERT_OFFSET(urgent_count, 88);
PVSCHED_ASSERT_OFFSET(grant, 128);
PVSCHED_ASSERT_OFFSET(irq_ticket, 136);
PVSCHED_ASSERT_OFFSET(throttle_count, 140);
PVSCHED_ASSERT_OFFSET(boosted_ns, 144);
PVSCHED_ASSERT_OFFSET(reserved4, 192);

#endif /* PVSCHED_ABI_H */
