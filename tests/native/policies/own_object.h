/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/* What pvsched's own object defines. A policy that uses it is refused. */
#ifndef PVSCHED_TESTS_POLICIES_OWN_OBJECT_H
#define PVSCHED_TESTS_POLICIES_OWN_OBJECT_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64[64]);
} vm_tunables SEC(".maps");

extern __u32 pvs_binds;

int decide(void *p, void *binding, __u32 event);

#endif /* PVSCHED_TESTS_POLICIES_OWN_OBJECT_H */
