// SPDX-License-Identifier: Apache-2.0
/* Copyright (C) 2026 The pvsched authors */
/* In C: the structures end in flexible arrays, which C++ cannot initialize. */
#define _GNU_SOURCE

#include "host-policy/daemon/admin_interface.h"

#define COMMENT SD_VARLINK_FIELD_COMMENT
#define FIELD SD_VARLINK_DEFINE_FIELD
#define FIELD_OF SD_VARLINK_DEFINE_FIELD_BY_TYPE
#define INPUT SD_VARLINK_DEFINE_INPUT
#define OUTPUT SD_VARLINK_DEFINE_OUTPUT
#define OUTPUT_OF SD_VARLINK_DEFINE_OUTPUT_BY_TYPE
#define ARRAY SD_VARLINK_ARRAY
#define MAP SD_VARLINK_MAP
#define NULLABLE SD_VARLINK_NULLABLE
#define INT SD_VARLINK_INT
#define STRING SD_VARLINK_STRING

/* Types */

static SD_VARLINK_DEFINE_STRUCT_TYPE(Vm, FIELD(vm, STRING, 0), FIELD(pid, INT, 0),
	FIELD(uid, INT, 0), COMMENT("vCPUs with a registered record"), FIELD(vcpus, INT, 0),
	COMMENT("vCPUs whose thread pvschedd schedules"), FIELD(bound, INT, 0));

static SD_VARLINK_DEFINE_ENUM_TYPE(VcpuState, SD_VARLINK_DEFINE_ENUM_VALUE(unbound),
	SD_VARLINK_DEFINE_ENUM_VALUE(normal), SD_VARLINK_DEFINE_ENUM_VALUE(boosted),
	SD_VARLINK_DEFINE_ENUM_VALUE(throttled));

static SD_VARLINK_DEFINE_STRUCT_TYPE(
	SchedParams, FIELD(policy, STRING, 0), FIELD(rt_prio, INT, 0), FIELD(nice, INT, 0));

static SD_VARLINK_DEFINE_STRUCT_TYPE(Vcpu, FIELD(vm, STRING, 0), FIELD(pid, INT, 0),
	COMMENT("The APIC id"), FIELD(vcpu, INT, 0),
	COMMENT("Null, with all that follows the state: no thread is known"),
	FIELD(tid, INT, NULLABLE), FIELD_OF(state, VcpuState, 0),
	FIELD_OF(applied, SchedParams, NULLABLE), COMMENT("What the thread has without a boost"),
	FIELD_OF(baseline, SchedParams, NULLABLE), FIELD(boosts, INT, NULLABLE),
	FIELD(throttles, INT, NULLABLE), FIELD(boosted_ns, INT, NULLABLE));

static SD_VARLINK_DEFINE_STRUCT_TYPE(
	WakeupLatencies, FIELD(normal, INT, ARRAY), FIELD(boosted, INT, ARRAY));

static SD_VARLINK_DEFINE_STRUCT_TYPE(VcpuStats, FIELD(vm, STRING, 0), FIELD(pid, INT, 0),
	FIELD(vcpu, INT, 0), FIELD_OF(state, VcpuState, 0),
	COMMENT("Since the registration, as all that follows"), FIELD(cpu_ns, INT, 0),
	FIELD(boosts, INT, 0), FIELD(throttles, INT, 0), FIELD(boosted_ns, INT, 0),
	FIELD(interrupts, INT, 0), FIELD(events, INT, 0), FIELD(events_lost, INT, 0),
	COMMENT("Wake-ups by latency. The bucket at an index ends at the bound at that index"),
	FIELD_OF(wakeup_us, WakeupLatencies, 0));

static SD_VARLINK_DEFINE_STRUCT_TYPE(ActuatorStats, FIELD(name, STRING, 0), FIELD(calls, INT, 0),
	FIELD(failures, INT, 0), FIELD(deferred, INT, 0));

static SD_VARLINK_DEFINE_STRUCT_TYPE(SchedulerStats,
	COMMENT("How often the kernel has ended the scheduler"), FIELD(ends, INT, 0),
	FIELD(counts, INT, MAP | NULLABLE));

static SD_VARLINK_DEFINE_STRUCT_TYPE(Refusals, FIELD(hello, INT, 0), FIELD(register, INT, 0),
	FIELD(other, INT, 0), FIELD(malformed, INT, 0), FIELD(connection, INT, 0));

static SD_VARLINK_DEFINE_STRUCT_TYPE(Tunable, FIELD(name, STRING, 0), FIELD(value, STRING, 0),
	COMMENT("Empty for a count or a choice"), FIELD(unit, STRING, 0), FIELD(default, STRING, 0),
	FIELD(help, STRING, 0));

static SD_VARLINK_DEFINE_STRUCT_TYPE(
	Profile, FIELD(profile, STRING, 0), FIELD(values, STRING, MAP));

static SD_VARLINK_DEFINE_STRUCT_TYPE(SchedulerExit, FIELD(time, STRING, 0),
	FIELD(reason, STRING, 0), FIELD(message, STRING, 0), FIELD(kind, INT, 0),
	FIELD(code, INT, 0), COMMENT("Where pvschedd keeps this record"), FIELD(file, STRING, 0),
	FIELD(dump, STRING, 0));

static SD_VARLINK_DEFINE_STRUCT_TYPE(Decision, COMMENT("Of CLOCK_MONOTONIC"), FIELD(ns, INT, 0),
	FIELD(vm, STRING, 0), FIELD(pid, INT, 0), FIELD(vcpu, INT, 0), FIELD(tid, INT, 0),
	FIELD(event, STRING, 0), FIELD(reason, STRING, 0), FIELD(before, STRING, 0),
	FIELD(grant, STRING, 0), FIELD(boost_used_ns, INT, 0),
	COMMENT("Decisions so far that the client was too slow to read"), FIELD(dropped, INT, 0));

/* Methods that only read */

static SD_VARLINK_DEFINE_METHOD(ListVms, OUTPUT_OF(vms, Vm, ARRAY));

static SD_VARLINK_DEFINE_METHOD(ListVcpus, OUTPUT_OF(vcpus, Vcpu, ARRAY));

static SD_VARLINK_DEFINE_METHOD(GetStats, OUTPUT_OF(actuator, ActuatorStats, 0),
	OUTPUT_OF(scheduler, SchedulerStats, 0), OUTPUT(recursion_misses, INT, 0),
	COMMENT("What pvschedd has refused to devices"), OUTPUT_OF(refusals, Refusals, 0),
	OUTPUT(vms, INT, 0), OUTPUT(wakeup_bounds_us, INT, ARRAY),
	OUTPUT_OF(vcpus, VcpuStats, ARRAY));

#define SCOPE                                                                     \
	COMMENT("For VMs of this name, or of this user; without both: the host"), \
		INPUT(vm, STRING, NULLABLE), INPUT(uid, INT, NULLABLE),           \
		COMMENT("Whether the name may be of a VM that does not run yet"), \
		INPUT(future, SD_VARLINK_BOOL, NULLABLE)

static SD_VARLINK_DEFINE_METHOD(ListTunables, SCOPE, OUTPUT_OF(tunables, Tunable, ARRAY));

static SD_VARLINK_DEFINE_METHOD(
	SaveTunables, COMMENT("A configuration file"), OUTPUT(toml, STRING, 0));

static SD_VARLINK_DEFINE_METHOD(ListProfiles, OUTPUT_OF(profiles, Profile, ARRAY));

static SD_VARLINK_DEFINE_METHOD(
	GetPolicy, COMMENT("Its path, or \"default\""), OUTPUT(policy, STRING, 0));

static SD_VARLINK_DEFINE_METHOD(GetScheduler, OUTPUT(actuator, STRING, 0),
	OUTPUT(is_scheduler, SD_VARLINK_BOOL, 0), OUTPUT(events_lost, INT, 0),
	OUTPUT(recursion_misses, INT, 0), COMMENT("Empty: the kernel has not ended the scheduler"),
	OUTPUT(last_end, STRING, 0), OUTPUT_OF(last_exit, SchedulerExit, NULLABLE),
	COMMENT("Only while pvsched is the host's scheduler, as all that follows"),
	OUTPUT(missing_callbacks, STRING, ARRAY | NULLABLE), OUTPUT(counts, INT, MAP | NULLABLE),
	OUTPUT(kernel_events, INT, MAP | NULLABLE));

/* Methods that change what pvschedd does */

static SD_VARLINK_DEFINE_METHOD(SetTunable, COMMENT("As ListTunables has it"),
	INPUT(name, STRING, 0), COMMENT("In the tunable's unit"), INPUT(value, STRING, 0), SCOPE);

static SD_VARLINK_DEFINE_METHOD(ResetTunables, COMMENT("Without it: all of the scope"),
	INPUT(name, STRING, NULLABLE), SCOPE,
	COMMENT("All of the host, of all users and of all VMs"),
	INPUT(all, SD_VARLINK_BOOL, NULLABLE));

static SD_VARLINK_DEFINE_METHOD(
	SetProfile, COMMENT("As ListProfiles has it"), INPUT(profile, STRING, 0), SCOPE);

static SD_VARLINK_DEFINE_METHOD(LoadPolicy, COMMENT("The name under which GetPolicy shows it"),
	INPUT(path, STRING, 0), COMMENT("The index of the memfd among the call's descriptors"),
	INPUT(file_descriptor, INT, 0), OUTPUT(policy, STRING, 0));

static SD_VARLINK_DEFINE_METHOD(ResetPolicy, OUTPUT(policy, STRING, 0));

static SD_VARLINK_DEFINE_METHOD_FULL(Trace, SD_VARLINK_REQUIRES_MORE,
	COMMENT("Null in the first reply: the trace has begun"),
	OUTPUT_OF(decision, Decision, NULLABLE));

/* Errors. A message says what was wrong and what to do. */

#define MESSAGE FIELD(message, STRING, 0)

static SD_VARLINK_DEFINE_ERROR(NoSuchVm, FIELD(vm, STRING, 0), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(NoSuchTunable, FIELD(name, STRING, 0), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(NoSuchProfile, FIELD(profile, STRING, 0), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(InvalidValue, FIELD(name, STRING, 0), FIELD(value, STRING, 0),
	COMMENT("The bounds, unless the value is a choice"), FIELD(minimum, INT, NULLABLE),
	FIELD(maximum, INT, NULLABLE), FIELD(choices, STRING, ARRAY | NULLABLE), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(HostOnly, FIELD(name, STRING, 0), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(RuleBroken, MESSAGE);
static SD_VARLINK_DEFINE_ERROR(Overridden, FIELD(vm, STRING, 0), FIELD(uid, INT, 0), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(PolicyRefused, FIELD(path, STRING, 0), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(TooManyTraces, FIELD(limit, INT, 0), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(NotPermitted, FIELD(method, STRING, 0), MESSAGE);
static SD_VARLINK_DEFINE_ERROR(Refused, MESSAGE);

#define ABOUT SD_VARLINK_SYMBOL_COMMENT

SD_VARLINK_DEFINE_INTERFACE(io_pvsched_Admin, PVSCHED_ADMIN_INTERFACE,
	SD_VARLINK_INTERFACE_COMMENT("What pvschedd does with the vCPUs of this host"),
	ABOUT("A virtual machine with a pvsched device"), &vl_type_Vm, &vl_type_VcpuState,
	ABOUT("The scheduling parameters of a thread"), &vl_type_SchedParams, &vl_type_Vcpu,
	&vl_type_WakeupLatencies, &vl_type_VcpuStats, &vl_type_ActuatorStats,
	&vl_type_SchedulerStats, &vl_type_Refusals, &vl_type_Tunable, &vl_type_Profile,
	ABOUT("Why the kernel ended pvsched's scheduler"), &vl_type_SchedulerExit,
	ABOUT("What the policy granted a vCPU at an event, and why"), &vl_type_Decision,
	&vl_method_ListVms, &vl_method_ListVcpus,
	ABOUT("The counters of all vCPUs and of pvschedd"), &vl_method_GetStats,
	ABOUT("The values in force"), &vl_method_ListTunables,
	ABOUT("Change a value until pvschedd ends or reads its configuration file again"),
	&vl_method_SetTunable, ABOUT("Return to what the configuration file says"),
	&vl_method_ResetTunables, ABOUT("The configuration with all values in force"),
	&vl_method_SaveTunables, &vl_method_ListProfiles,
	ABOUT("Set all values of a profile, as SetTunable does"), &vl_method_SetProfile,
	&vl_method_GetPolicy, ABOUT("Replace the policy by a BPF object"), &vl_method_LoadPolicy,
	ABOUT("Return to the default policy"), &vl_method_ResetPolicy,
	ABOUT("pvsched's scheduler for the whole host"), &vl_method_GetScheduler,
	ABOUT("Each decision as it is made, until the client closes the connection"),
	&vl_method_Trace, ABOUT("No VM of this name runs, and nothing is set for it"),
	&vl_error_NoSuchVm, &vl_error_NoSuchTunable, &vl_error_NoSuchProfile,
	&vl_error_InvalidValue, ABOUT("A VM or a user cannot have a value of its own"),
	&vl_error_HostOnly, ABOUT("The values contradict each other"), &vl_error_RuleBroken,
	ABOUT("The value would not hold for the running VM"), &vl_error_Overridden,
	&vl_error_PolicyRefused, &vl_error_TooManyTraces,
	ABOUT("The read socket answers only what changes nothing"), &vl_error_NotPermitted,
	ABOUT("Any other reason"), &vl_error_Refused);
