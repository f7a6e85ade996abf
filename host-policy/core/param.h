/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Parameters of the scheduler. In BPF a parameter is read-only data that the
 * loader may set before the load, so the verifier sees a constant. Everywhere
 * else it is a constant with the default value.
 *
 * The comment above each parameter begins with its name, unit and range, as
 * pvschedd --scx-param prints them: loader/scx_params.cc holds the same row,
 * and tests/unit compares the two.
 */
#ifndef PVSCHED_CORE_PARAM_H
#define PVSCHED_CORE_PARAM_H

#include "host-policy/core/priority_word.h"

#ifdef __bpf__
#define PVS_PARAM(type, name, value) const volatile type name = (value)
#else
#define PVS_PARAM(type, name, value) static const type name = (value)
#endif

#define PVS_MS 1000000ull /* in ns */
#define PVS_US 1000ull

#endif /* PVSCHED_CORE_PARAM_H */
