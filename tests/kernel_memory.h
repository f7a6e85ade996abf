// SPDX-License-Identifier: Apache-2.0
// What guest-driver/pvsched_publish.h takes from the kernel, for user space.
#ifndef PVSCHED_TESTS_KERNEL_MEMORY_H_
#define PVSCHED_TESTS_KERNEL_MEMORY_H_

// What the kernel's own are on x86: plain loads and stores that the compiler
// leaves in order. Relaxed atomics say the same to a sanitizer.
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value) __atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#define virt_wmb() asm volatile("" ::: "memory")
#define virt_rmb() asm volatile("" ::: "memory")

#endif  // PVSCHED_TESTS_KERNEL_MEMORY_H_
