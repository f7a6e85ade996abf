# SPDX-License-Identifier: Apache-2.0
"""The machine the host under test runs on: hardware KVM if it nests, else emulation."""

import contextlib
import fcntl
import os
import pathlib
import struct
import subprocess

_KVM_GET_API_VERSION = 0xAE00
_KVM_CREATE_VM = 0xAE01


def cpu_flags():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def why_no_kvm():
    """Why the host under test must be emulated here; None if hardware KVM will do."""
    if not cpu_flags() & {"vmx", "svm"}:
        return "the processor shows neither vmx nor svm"
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"/dev/kvm does not open: {error.strerror}"
    try:
        if fcntl.ioctl(kvm, _KVM_GET_API_VERSION) != 12:
            return "/dev/kvm speaks another API than 12"
        os.close(fcntl.ioctl(kvm, _KVM_CREATE_VM, 0))
    except OSError as error:
        return f"/dev/kvm makes no VM: {error.strerror}"
    finally:
        os.close(kvm)
    for module in ("kvm_amd", "kvm_intel"):
        nested = pathlib.Path(f"/sys/module/{module}/parameters/nested")
        if nested.exists() and nested.read_text().strip() in ("1", "Y"):
            return None
    return "KVM does not nest here: load kvm_amd or kvm_intel with nested=1"


def accelerator(emulated):
    if not emulated:
        return ["-accel", "kvm", "-cpu", "host"]
    # The emulator has AMD's SVM with nested paging, so KVM works in it.
    return ["-accel", "tcg,thread=multi", "-cpu", "EPYC-Milan,+svm"]


def punctual():
    """What a command line begins with so that an emulator's timers expire in time; [] where that is not allowed.

    The emulator's first thread is its timers. As an ordinary thread it was late by
    milliseconds, most likely waiting for its own emulated CPUs (docs/testing.md).
    """
    command = ["chrt", "--reset-on-fork", "--fifo", "1"]
    return command if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0 else []


@contextlib.contextmanager
def awake():
    """Where that is allowed, which is yielded, this machine's idle CPUs poll for as long, instead of halting.

    In a VM a CPU that has halted may run again only milliseconds after it was woken: what
    an emulated CPU waited for then has happened, and it does not go on (docs/testing.md).
    """
    try:
        latency = open("/dev/cpu_dma_latency", "r+b", buffering=0)  # not created where there is none
    except OSError:
        yield False
        return
    with latency:  # in force while it is open
        latency.write(struct.pack("=i", 0))  # us
        yield True


def qemu(program, image, emulated, interactive):
    """QEMU's command line in the build root; /images and /run/lab-job are bound there."""
    append = ("root=/dev/nvme0n1 rootwait rw init=/usr/local/sbin/lab-init console=ttyS0 "
              "quiet loglevel=4 nowatchdog panic=-1 oops=panic "
              # Work that only costs time under emulation: probing 255 absent buses, self-tests ...
              "pci=lastbus=0 cryptomgr.notests=1 mitigations=off nokaslr init_on_alloc=0")
    job = "/run/lab-job"
    return [program, "-M", "q35,sata=off,smbus=off,vmport=off", *accelerator(emulated), "-smp", "2", "-m", "3G",
            "-nodefaults", "-display", "none", "-no-reboot", "-name", "pvsched-host",
            "-kernel", f"/images/{image.vmlinux.name}", "-append", append,
            "-serial", f"file:{job}/console.log",
            # One NVMe disk only, so that its name is sure; the rest by serial number.
            "-drive", f"file=/images/{image.disk.name},if=none,id=root,format=raw,snapshot=on",
            "-device", "nvme,drive=root,serial=lab-root",
            "-drive", f"file={job}/payload.tar,if=none,id=payload,format=raw,read-only=on",
            "-device", "virtio-blk-pci,drive=payload,serial=lab-payload",
            "-drive", f"file={job}/results.tar,if=none,id=results,format=raw",
            "-device", "virtio-blk-pci,drive=results,serial=lab-results",
            "-device", "virtio-serial-pci",
            "-chardev", f"stdio,id=job,signal={'off' if interactive else 'on'}",
            "-device", "virtconsole,chardev=job",
            "-chardev", f"file,id=status,path={job}/status",
            "-device", "virtserialport,chardev=status,name=lab.status"]
