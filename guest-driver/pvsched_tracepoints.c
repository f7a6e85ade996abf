// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Registers hooks on tracepoints. The kernel does not export them, so they are found by name. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/errno.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "pvsched.h"

static void pvsched_match_tracepoint(struct tracepoint *tp, void *data)
{
	struct pvsched_hooks *hooks = data;
	struct pvsched_hook *hook;

	for (hook = hooks->first; hook < hooks->first + hooks->count; hook++) {
		if (!strcmp(tp->name, hook->name))
			hook->tp = tp;
	}
}

static int pvsched_register_hook(struct pvsched_hook *hook)
{
	int err;

	if (!hook->tp) {
		pr_err("this kernel has no tracepoint %s; build it with CONFIG_TRACEPOINTS\n",
		       hook->name);
		return -ENODEV;
	}
	err = tracepoint_probe_register(hook->tp, hook->probe, NULL);
	if (err)
		pr_err("cannot register a probe on tracepoint %s: error %d\n",
		       hook->name, err);
	hook->registered = !err;
	return err;
}

/* Registers those that are not registered yet, and on an error none. */
int pvsched_register_hooks(struct pvsched_hooks *hooks, u64 features)
{
	struct pvsched_hook *hook;
	int err;

	for_each_kernel_tracepoint(pvsched_match_tracepoint, hooks);
	for (hook = hooks->first; hook < hooks->first + hooks->count; hook++) {
		if (hook->registered || hook->threaded ||
		    (hook->feature & ~features) ||
		    (!hook->tp && hook->optional))
			continue;
		err = pvsched_register_hook(hook);
		if (err) {
			pvsched_unregister_hooks(hooks);
			return err;
		}
	}
	return 0;
}

/* After return none of the hooks runs. */
void pvsched_unregister_hooks(struct pvsched_hooks *hooks)
{
	struct pvsched_hook *hook;

	for (hook = hooks->first; hook < hooks->first + hooks->count; hook++) {
		if (!hook->registered)
			continue;
		tracepoint_probe_unregister(hook->tp, hook->probe, NULL);
		hook->registered = false;
	}
	tracepoint_synchronize_unregister();
}
