# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The processor topology of the host under test: sockets, cores, SMT threads, NUMA nodes."""

import dataclasses

CPUS_MAX = 64
MEMORY_MIB = 3072
_COUNTS = ("sockets", "cores", "threads")
_NUMA = "numa"
SYNTAX = "sockets=N,cores=N,threads=N[,numa]"
HELP = (f"the host's CPUs as {SYNTAX}: cores of each socket, threads of each core; numa makes each socket a "
        "NUMA node with its share of the memory. sockets=2,cores=2,threads=2,numa has 8 CPUs in two nodes. "
        "A count that is not given is 1 (default: 2 cores)")


@dataclasses.dataclass(frozen=True)
class Topology:
    sockets: int = 1
    cores: int = 1
    threads: int = 1  # of each core
    numa: bool = False  # each socket is a node

    @property
    def cpus(self):
        return self.sockets * self.cores * self.threads

    def __str__(self):
        counts = ",".join(f"{name}={getattr(self, name)}" for name in _COUNTS)
        return f"{counts},{_NUMA}" if self.numa else counts

    def title(self):
        """The topology for a report: 8 CPUs (2 sockets, SMT), 2 nodes."""
        parts = [f"{self.sockets} sockets"] * (self.sockets > 1) + ["SMT"] * (self.threads > 1)
        text = f"{self.cpus} CPU{'s' * (self.cpus > 1)}" + (f" ({', '.join(parts)})" if parts else "")
        return f"{text}, {self.sockets} nodes" if self.numa else text

    def qemu(self):
        """The options of QEMU for CPUs and memory."""
        options = ["-smp", f"{self.cpus},sockets={self.sockets},cores={self.cores},threads={self.threads}",
                   "-m", f"{MEMORY_MIB}M"]
        each = self.cpus // self.sockets
        for node in range(self.sockets if self.numa else 0):
            # The first node has the remainder: the sum must be the machine's memory.
            size = MEMORY_MIB // self.sockets + (MEMORY_MIB % self.sockets if node == 0 else 0)
            cpus = f"{node * each}-{(node + 1) * each - 1}" if each > 1 else f"{node}"
            options += ["-object", f"memory-backend-ram,id=node{node},size={size}M",
                        "-numa", f"node,nodeid={node},cpus={cpus},memdev=node{node}"]
        return options


DEFAULT = Topology(cores=2)
ONE_CPU = Topology()


def parse(text):
    """The topology that `text` describes; raises ValueError with the error and the syntax."""
    found, numa = {}, False
    for word in text.split(","):
        name, _, count = word.partition("=")
        if word == _NUMA and not numa:
            numa = True
        elif name not in _COUNTS:
            raise ValueError(f"'{word}' is no part of a topology: use {SYNTAX}")
        elif name in found:
            raise ValueError(f"'{name}' is there twice: use {SYNTAX}")
        elif not count.isascii() or not count.isdigit() or int(count) < 1:
            raise ValueError(f"{name} takes a positive integer, not '{count}'")
        else:
            found[name] = int(count)
    topology = Topology(**found, numa=numa)
    if topology.cpus > CPUS_MAX:
        raise ValueError(f"'{text}' has {topology.cpus} CPUs: use at most {CPUS_MAX}")
    if numa and topology.sockets == 1:
        raise ValueError("numa makes a node of each socket: use at least sockets=2 with it")
    return topology
