/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * pvsched: the messages between a VMM's device and pvschedd.
 *
 * The transport is a UNIX SOCK_SEQPACKET socket. Each packet is one struct
 * pvsched_control_msg. pvschedd answers each request of the device once, in
 * order, with the request's type | PVSCHED_CONTROL_REPLY and its seq. The end of
 * the connection withdraws every registration that it carried.
 *
 * A message proves no identity. HELLO carries the socket to which the VM's
 * process has connected, and pvschedd asks the kernel for that process. A
 * device that has no such socket sends a pidfd of the process, which must
 * belong to the device's user unless that is root. The kernel tells pvschedd
 * which thread runs which vCPU.
 *
 * The error EAGAIN says that there is no room now: the device may ask again.
 * Before pvschedd closes a connection that has no VM yet, it sends an answer to
 * HELLO with seq 0 and EAGAIN, which says why.
 *
 * Versions that differ by one work together: a reply has the older version of
 * the two. Others get EOPNOTSUPP and pvschedd's version. Version 1 has no
 * socket in HELLO, and closes connections of other versions.
 */
#ifndef PVSCHED_CONTROL_H
#define PVSCHED_CONTROL_H

#include "pvsched_abi.h"

#define PVSCHED_CONTROL_MAGIC 0x4c435650u /* "PVCL" in memory order */
#define PVSCHED_CONTROL_VERSION 2
#define PVSCHED_CONTROL_REPLY 0x8000
#define PVSCHED_CONTROL_DEFAULT_PATH "/run/pvsched/device.sock"

enum pvsched_control_type {
	/*
	 * fd: the accepted end of the VMM's stream connection, or a pidfd of the
	 * VMM. text: the VM's name, or empty.
	 */
	PVSCHED_CONTROL_HELLO = 1,
	/* fd: memory. vcpu_id. offset: the record's place in the memory. */
	PVSCHED_CONTROL_REGISTER = 2,
	/* vcpu_id. After the reply the host no longer accesses the record. */
	PVSCHED_CONTROL_WITHDRAW = 3,
	PVSCHED_CONTROL_WITHDRAW_ALL = 4,
	/*
	 * vcpu_id, tid: for hosts whose kernel does not show vCPU threads.
	 * pvschedd accepts only threads of the VMM's process.
	 */
	PVSCHED_CONTROL_THREAD = 5,
	/*
	 * fd: memory. vcpu_id. offset, mask: the place of the vCPU's preempt
	 * count, a u32, and its bits that forbid preemption. This message
	 * precedes the vCPU's REGISTER and belongs to it.
	 */
	PVSCHED_CONTROL_PREEMPT_COUNT = 6,
};

struct pvsched_control_msg {
	__u32 magic; /* PVSCHED_CONTROL_MAGIC */
	__u16 version; /* PVSCHED_CONTROL_VERSION */
	__u16 type; /* enum pvsched_control_type */
	__u32 seq; /* the device chooses it, the reply repeats it */
	__s32 error; /* replies: 0 or a positive errno */
	__u32 vcpu_id; /* APIC id */
	__s32 tid;
	__u64 offset; /* bytes into the memory fd */
	__u32 mask;
	__u32 features; /* REGISTER: as negotiated with the guest */
	char text[88]; /* NUL-terminated: name, or reason of an error */
};

PVSCHED_STATIC_ASSERT(sizeof(struct pvsched_control_msg) == 128,
		      "pvsched_control_msg has a wrong size");

#endif /* PVSCHED_CONTROL_H */
