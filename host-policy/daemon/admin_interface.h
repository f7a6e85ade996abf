/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
#ifndef PVSCHED_HOST_POLICY_DAEMON_ADMIN_INTERFACE_H_
#define PVSCHED_HOST_POLICY_DAEMON_ADMIN_INTERFACE_H_

#include <systemd/sd-varlink-idl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The Varlink interface of pvschedd's admin socket and read socket. */
#define PVSCHED_ADMIN_INTERFACE "io.pvsched.Admin"

extern const sd_varlink_interface vl_interface_io_pvsched_Admin;

#ifdef __cplusplus
}
#endif

#endif /* PVSCHED_HOST_POLICY_DAEMON_ADMIN_INTERFACE_H_ */
