# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The payload of a job for the host under test: pvsched, the guest, the job's files."""

import dataclasses
import io
import shlex
import tarfile

import build
import initramfs
import roots
from host_kernels import HostKernel
from settings import BUILD, CASES, CHECKOUT, INSIDE, LabError
from topology import DEFAULT as DEFAULT_TOPOLOGY, Topology

_TOOLS = ("lab-guest", "lab-switches", "run-tests")
_BENCH_TOOLS = ("bench-rounds", "bench-latency.sh", "bench-overhead.sh", "bench-boot.sh", "bench-numa.sh", "workload.sh", "measuring.sh",
                "policies.sh")


@dataclasses.dataclass
class Job:
    command: list  # run as root; programs in /usr/local/bin
    files: dict = dataclasses.field(default_factory=dict)  # path in the host -> bytes
    programs: dict = dataclasses.field(default_factory=dict)  # other schedulers: name -> path in the checkout
    tools: tuple = ()  # names of programs in build/bin for the host's PATH
    interactive: bool = False
    terminal: str = ""  # stty's settings for an interactive job
    topology: Topology = DEFAULT_TOPOLOGY
    guest_kernels: tuple = ()  # guest_kernels.GuestKernel, besides the host's own kernel
    host_kernel: HostKernel = None  # instead of the kernel of the host's disk
    has_systemd: bool = False  # the host is image.system_image(), and pvsched's programs come from packages
    is_background: bool = False  # the emulator has the lowest priority: another host runs at the same time
    is_counted: bool = False  # the host's clock counts instructions: emulated, one CPU, far too slow for guests


def write(job, path, kept):
    """Writes the payload's tar. `kept`: files for $OUT, saved from a host that died."""
    root = roots.build_root()
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        def add(name, data, mode=0o755):
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))

        if job.has_systemd:
            add("usr/local/bin/lab-guest", (INSIDE / "lab-guest").read_bytes())
        else:
            _add_programs(add, root, job)
            _add_host_modules(add, root)
        if not job.is_counted:
            _add_guest(add, root)
            for kernel in job.guest_kernels:
                add(f"lab/guest/vmlinux.{kernel.name}", kernel.image(), 0o644)
                add(f"lab/guest/initramfs.{kernel.name}", kernel.initramfs(root), 0o644)
        if job.interactive:
            add("lab/interactive", job.terminal.encode())
        else:
            add("lab/run", f"exec {shlex.join(job.command)}\n".encode())
        for name, data in job.files.items():
            add(name, data)
        for name, data in kept.items():
            add(f"lab/out/{name}", data, 0o644)


def _add_programs(add, root, job):
    host = roots.host_root().path
    for name in (*build.DAEMONS, *job.tools):
        program = BUILD / "bin" / name
        if not program.exists():
            raise LabError(f"{program} is not built: run ./lab build first")
        add(f"usr/local/bin/{name}", program.read_bytes())
    for name, program in job.programs.items():
        add(f"lab/sched_ext/{name}", program.read_bytes())
    if job.programs:
        # These programs read CONFIG_HZ from it.
        add(f"boot/config-{root.kernel}",
            (root.path / f"usr/src/linux-headers-{root.kernel}/.config").read_bytes(), 0o644)
    programs = [BUILD / "bin" / name for name in (*build.DAEMONS, *job.tools)] + list(job.programs.values())
    # Host and build root are of the same release, so missing libraries can be copied.
    for library in root.libraries([f"/src/{path.relative_to(CHECKOUT)}" for path in programs]):
        if not (host / library).exists():
            add(library, (root.path / library).read_bytes())
    for folder, tools in ((INSIDE, _TOOLS), (CASES, _BENCH_TOOLS)):
        for name in tools:
            add(f"usr/local/bin/{name}", (folder / name).read_bytes())


def _module(root, name):
    return initramfs.stripped(root, build.module_path(name, root.kernel))


def _add_host_modules(add, root):
    for name in build.HOST_MODULES:
        add(f"lab/{name}.ko", _module(root, name), 0o644)


def _add_guest(add, root):
    modules = {name: _module(root, name) for name in build.MODULES if name not in build.HOST_MODULES}
    add("lab/guest/initramfs", initramfs.make(
        root, modules, [BUILD / "bin" / name for name in build.GUEST_PROGRAMS]), 0o644)
