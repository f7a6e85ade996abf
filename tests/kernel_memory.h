// SPDX-License-Identifier: Apache-2.0
// Copyright (C) 2026 The pvsched authors
//
// User-space versions of the kernel macros that guest-driver/pvsched_publish.h needs.
#ifndef PVSCHED_TESTS_KERNEL_MEMORY_H_
#define PVSCHED_TESTS_KERNEL_MEMORY_H_

// The kernel's macros on x86 are plain loads and stores in program order. Relaxed
// atomics are the same, and a thread sanitizer understands them.
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value) __atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#define virt_wmb() asm volatile("" ::: "memory")
#define virt_rmb() asm volatile("" ::: "memory")

#endif  // PVSCHED_TESTS_KERNEL_MEMORY_H_
