# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The constants of the workload. Scripts source this file; bench/workload.py parses it, so
# each line is NAME=VALUE. shellcheck sees no use of them here.
# shellcheck disable=SC2034

# The load of a busy host: options of stress-ng, as in the 2024 paravirt scheduling talk.
load="--cpu 2 --iomix 1 --vm 1 --vm-bytes 128M --fork 1"
# SCHED_RR priority of cyclictest in guest and host, and of all vCPU threads under `rr`.
rt_priority=8
# us between two wake-ups of cyclictest on the host.
host_interval=2000
# us in the guest. At 2 ms the measurement uses 80 % of an emulated CPU: more than the
# default budget of a vCPU, so its boosts would be throttled.
guest_interval=10000
# s until a boot has failed.
boot_limit=180
# s after which the load ends by itself, in case the script that started it died.
load_limit=900
# Busy loops of the suite numa, on 8 CPUs.
numa_loops=12
