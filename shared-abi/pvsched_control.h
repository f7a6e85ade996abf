/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * pvsched: what a VMM's device says to the host's daemon.
 *
 * A UNIX SOCK_SEQPACKET socket; every packet is one struct
 * pvsched_control_msg. The device asks, pvschedd answers each request once, in
 * order, with the request's type | PVSCHED_CONTROL_REPLY and its seq. Closing
 * the connection withdraws everything that was registered over it.
 *
 * The sender proves nothing by what it writes: which process is the VM comes
 * from the pidfd in HELLO, which the sender must own or be root for; which
 * thread is which vCPU comes from the kernel.
 */
#ifndef PVSCHED_CONTROL_H
#define PVSCHED_CONTROL_H

#include "pvsched_abi.h"

#define PVSCHED_CONTROL_MAGIC 0x4c435650u /* "PVCL" in memory order */
#define PVSCHED_CONTROL_VERSION 1
#define PVSCHED_CONTROL_REPLY 0x8000
#define PVSCHED_CONTROL_DEFAULT_PATH "/run/pvsched/device.sock"

enum pvsched_control_type {
	/* fd: pidfd of the VMM. text: the VM's name, may be empty. */
	PVSCHED_CONTROL_HELLO = 1,
	/* fd: memory. vcpu_id, offset: where the record lies in it. */
	PVSCHED_CONTROL_REGISTER = 2,
	/* vcpu_id. Once answered, the host touches the record no more. */
	PVSCHED_CONTROL_WITHDRAW = 3,
	PVSCHED_CONTROL_WITHDRAW_ALL = 4,
	/*
	 * vcpu_id, tid: for hosts whose kernel does not show vCPU threads.
	 * Believed only for a thread of the VMM's own process.
	 */
	PVSCHED_CONTROL_THREAD = 5,
	/*
	 * fd: memory. vcpu_id, offset, mask: where the guest counts the
	 * reasons not to preempt the vCPU, a u32, and which bits of it count.
	 * Comes right before the vCPU's REGISTER and is part of it.
	 */
	PVSCHED_CONTROL_PREEMPT_COUNT = 6,
};

struct pvsched_control_msg {
	__u32 magic; /* PVSCHED_CONTROL_MAGIC */
	__u16 version; /* PVSCHED_CONTROL_VERSION */
	__u16 type; /* enum pvsched_control_type */
	__u32 seq; /* chosen by the asker, echoed */
	__s32 error; /* replies: 0 or a positive errno */
	__u32 vcpu_id; /* APIC id */
	__s32 tid;
	__u64 offset; /* bytes into the memory fd */
	__u32 mask;
	__u32 features; /* REGISTER: what guest and device negotiated */
	char text[88]; /* NUL-terminated: a name, or why it was refused */
};

PVSCHED_STATIC_ASSERT(sizeof(struct pvsched_control_msg) == 128,
		      "pvsched_control_msg has a wrong size");

#endif /* PVSCHED_CONTROL_H */
