# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab build: C++ and BPF by CMake, the modules by kbuild."""

import re
import shlex
import subprocess

import roots
from lock import exclusive
from progress import step
from settings import BUILD, CHECKOUT, LabError

DAEMONS = ("pvschedd", "pvschedctl", "pvsched-device", "pvsched-deviced", "pvsched-boot")
GUEST_PROGRAMS = ("kexec-now", "boot-init", "lock-inversion")
_LOCK = BUILD / "lab" / "build.lock"


def logged(root, title, argv, binds=()):
    """Runs argv in a root. Its output goes to build/lab/*.log and into the error."""
    logs = BUILD / "lab"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / (re.sub(r"\W+", "-", title) + ".log")
    with step(title) as progress, open(log, "w", encoding="utf-8") as file:
        with subprocess.Popen(root.command(argv, binds), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace") as job:
            for line in job.stdout:
                file.write(line)
                progress.detail = line.strip()
    if job.returncode:
        tail = log.read_text(errors="replace").splitlines()[-60:]
        raise LabError(f"{title}: exit status {job.returncode}, from {shlex.join(argv)}:\n"
                       + "\n".join(tail))
    return log


def configure(root, folder, options=()):
    """Configures a build in which warnings are errors, which they are only in the lab's builds."""
    # A compiler can be changed in a fresh folder only.
    logged(root, f"configuring {folder}", ["cmake", *(["--fresh"] if options else []), "-B", folder, "-G", "Ninja",
                                           "-DPVSCHED_WERROR=ON", *options])


def cmake(root, folder="build", options=(), targets=()):
    """Configures and builds the targets, or all of them. `folder` is relative to the checkout."""
    with exclusive(_LOCK):
        _cmake(root, folder, options, targets)


def cmake_beside(root, folder, options, targets, prefix):
    """The same beside a build of another folder. `prefix`: the start of each command line."""
    with exclusive(_LOCK.with_name(f"{folder.replace('/', '-')}.lock")):
        _cmake(root, folder, options, targets, prefix)


def _cmake(root, folder, options, targets, prefix=()):
    cache = CHECKOUT / folder / "CMakeCache.txt"
    kept = cache.read_text() if cache.exists() else ""
    if kept and "CMAKE_HOME_DIRECTORY:INTERNAL=/src\n" not in kept:
        raise LabError(f"{CHECKOUT / folder} was configured outside the lab's build root: "
                       "remove it, or build there without the lab")
    if not is_configured(kept, options):
        configure(root, folder, options)
    logged(root, f"compiling {' '.join(targets) or folder}",
           [*prefix, "cmake", "--build", folder, *(["--target", *targets] if targets else [])])


def is_configured(kept, options):
    """Whether the text of a CMakeCache.txt has the lab's options, and these: -DNAME=VALUE each."""
    found = dict(re.findall(r"^([^#/\s:]+):\w+=(.*)$", kept, re.M))
    wanted = dict(option.removeprefix("-D").split("=", 1) for option in ("-DPVSCHED_WERROR=ON", *options))
    return all(found.get(name) == value for name, value in wanted.items())


# The kernel modules and their source folders. All but HOST_MODULES are for guests.
MODULES = {
    "pvsched": "guest-driver",
    "pvsched_host": "host-policy/kmod",
    "hostile": "tests/modules/hostile",
    "boot_mark": "tests/modules/boot_mark",
    "untrusted_tsc": "tests/modules/untrusted_tsc",
    "held_lock": "tests/modules/held_lock",
    "kvm_calls": "tests/modules/kvm_calls",
}
HOST_MODULES = ("pvsched_host", "untrusted_tsc", "kvm_calls")


def module_path(name, kernel):
    return BUILD / "modules" / kernel / name / f"{name}.ko"


def modules(root, kernel, names=tuple(MODULES)):
    """Builds the modules for `kernel`."""
    with exclusive(_LOCK):
        for name in names:
            _module(root, name, kernel)


def guest_driver(root, kernel, headers, unpacked):
    """Builds pvsched.ko for `kernel`, whose header packages are unpacked in `headers`, which becomes `unpacked` in the root.

    It runs beside cmake(), with which it shares no file.
    """
    with exclusive(_LOCK.with_name(f"build-{kernel}.lock")):
        _module(root, "pvsched", kernel, unpacked, ((headers, unpacked),))


def _module(root, name, kernel, top="", binds=()):
    out = f"/src/{module_path(name, kernel).parent.relative_to(CHECKOUT)}"
    logged(root, f"building {name}.ko for {kernel}",
           ["make", "-C", MODULES[name], f"KDIR={top}/usr/src/linux-headers-{kernel}", f"OUT={out}"], binds)


def everything():
    """Builds every target and module. Returns the build root."""
    root = roots.build_root()
    cmake(root)
    modules(root, root.kernel)
    return root


def host_alone(programs=()):
    """Builds only what the host under test runs when it has no guest, and more programs."""
    root = roots.build_root()
    cmake(root, targets=(*DAEMONS, *programs))
    modules(root, root.kernel, HOST_MODULES)
    return root


def host_and_guest(policies=()):
    """Builds only what the host under test and its guests run, without the C++ tests."""
    root = roots.build_root()
    cmake(root, targets=(*DAEMONS, *GUEST_PROGRAMS, *(f"policy_{name}" for name in policies)))
    modules(root, root.kernel)
    return root
