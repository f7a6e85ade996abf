# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The questions that docs/performance.md answers, and the limits that the bench asserts.

This table is the only place of the limits. A limit applies to the median of the rounds'
ratios: an upper limit where lower is better, a lower limit where higher is better. On an
emulated host the median of five rounds moves by up to a third between two runs of the same
code, so a limit leaves that much room.
"""

import dataclasses

from bench.policies import BASE, NO_BOOST

_BUSY = "busy host, 1 guest of 1 vCPU"
_IDLE = "idle host, 1 guest of 1 vCPU"
_EXITS = "exits, this machine's own KVM"
_LATENCY = "./lab bench --suite latency --policies rr,scx,agent,kfunc"
_BOOT = f"./lab bench --suite boot --policies scx,{NO_BOOST}"


@dataclasses.dataclass(frozen=True)
class Promise:
    policy: str
    limit: float = 0  # 0: the policy is measured, but has no promise
    answer: str = ""  # a sentence on the values: value, peer (the name), peer_value; the ratio's sentence follows it


@dataclasses.dataclass(frozen=True)
class Question:
    text: str
    suite: str
    case: str
    metric: str
    promises: tuple
    command: str  # measures this row alone
    peer: str = BASE
    peer_case: str = ""  # instead of `peer`: the same policy in another case
    peer_title: str = ""  # where the title of the policy or case says too little


QUESTIONS = (
    Question("How late does a guest's urgent task run on a busy host (p99)?", "latency", _BUSY, "guest p99", (
        Promise("scx", 0.5, "99 % of its wake-ups are at most {value} late under scx, {peer_value} under {peer}."),
        Promise("agent", 0.5),
        Promise("kfunc", 0.5)), _LATENCY),
    Question("How late is the worst wake-up of a thousand (p99.9)?", "latency", _BUSY, "guest p99.9", (
        Promise("scx", 0.6, "It is {value} late under scx, {peer_value} under {peer}."),
        Promise("agent", 0.6),
        Promise("kfunc", 0.7)), f"{_LATENCY} --seconds 14"),
    Question("Is a permanent real-time priority for the vCPUs better (p99)?", "latency", _BUSY, "guest p99", (
        Promise("scx", 1.5, "The guest's p99 is {value} under scx, where its ordinary tasks get no priority, "
                            "{peer_value} under {peer}."),
        Promise("agent", 1.5),
        Promise("kfunc", 1.5)), _LATENCY, peer="rr"),
    Question("How late do the host's own real-time tasks run then (p99)?", "latency", _BUSY, "host p99", (
        Promise("scx", 1.5, "99 % of their wake-ups are at most {value} late under scx, {peer_value} under {peer}."),
        Promise("agent", 1.75),
        Promise("kfunc", 1.75)), _LATENCY),
    Question("How much work do the host's own tasks lose then?", "latency", _BUSY, "load's work", (
        Promise("scx", 0.8, "The host's load does {value} under scx, {peer_value} under {peer}."),
        Promise("agent", 0.7),
        Promise("kfunc", 0.7)), _LATENCY),
    Question("What does a VM exit cost?", "overhead", _EXITS, "round trip of an exit", (
        Promise("agent", 1.25, "An exit to the VMM and back takes {value} when pvschedd serves the vCPU, "
                               "{peer_value} on {peer}."),),
             "./lab bench --suite overhead --policies agent", peer_title="a host without pvschedd"),
    Question("What does a guest on an idle host cost?", "overhead", _IDLE, "CPU time a wake-up", (
        Promise("scx", 1.4, "A wake-up of its vCPU takes {value} of CPU time under scx, {peer_value} under {peer}."),
        Promise("agent", 1.4)), "./lab bench --suite overhead --policies scx,agent"),
    Question("How long does a VM boot on an idle host?", "boot", "idle host", "exec to the end", (
        Promise("scx", 1.35, "From exec of the VMM to its end, a small VM takes {value} under scx, {peer_value} under "
                             "{peer}."),), _BOOT),
    Question("How long does a VM boot on a busy host?", "boot", "busy host", "exec to the end", (
        Promise("scx", 0.35, "It takes {value} under scx, {peer_value} under {peer}."),
        Promise(NO_BOOST, 1.75, "Without the boot boost (boot-time=0) it takes {value}.")), _BOOT),
    Question("How does the cost grow with the number of vCPUs?", "scale", "1000 vCPUs", "program at an exit", (
        Promise("agent", 1.35, "With 1000 vCPUs the BPF program at an exit takes {value}, with one vCPU "
                               "{peer_value}."),),
             "./lab bench --suite scale --policies agent", peer_case="1 vCPU"),
)
