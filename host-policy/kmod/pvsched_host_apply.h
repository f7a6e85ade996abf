/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The layers of pvsched_host.ko; a layer calls only the layers below it:
 *
 *   pvsched_host_main.c   module, device file, ioctls
 *   pvsched_host_apply.c  registered threads, the kfunc, sched_setattr()
 *
 * Device file operations serialize the calls below. The kfunc may run at any
 * time on any CPU.
 */
#ifndef PVSCHED_HOST_APPLY_H
#define PVSCHED_HOST_APPLY_H

#include "host-policy/kmod/pvsched_host.h"

int pvsched_host_apply_init(void);
/* The device file is gone: no thread is registered any more. */
void pvsched_host_apply_exit(void);

int pvsched_host_add(const struct pvsched_host_target *target);
/* Restores the thread's baseline. */
int pvsched_host_remove(unsigned long slot);
void pvsched_host_remove_all(void);
int pvsched_host_read(struct pvsched_host_state *state);

void pvsched_host_reset_stats(void);
void pvsched_host_read_stats(struct pvsched_host_stats *stats);

#endif /* PVSCHED_HOST_APPLY_H */
