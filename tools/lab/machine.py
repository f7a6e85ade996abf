# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The virtual machine of the host under test: nested KVM if available, else emulation."""

import contextlib
import fcntl
import os
import pathlib
import struct
import subprocess

import host_kernels

_KVM_GET_API_VERSION = 0xAE00
_KVM_CREATE_VM = 0xAE01


def cpu_flags():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.split(":", 1)[1].split())
    return set()


def why_no_kvm():
    """Why the host under test must be emulated on this machine; None if KVM nests."""
    if not cpu_flags() & {"vmx", "svm"}:
        return "the processor has neither vmx nor svm"
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"/dev/kvm does not open: {error.strerror}"
    try:
        if fcntl.ioctl(kvm, _KVM_GET_API_VERSION) != 12:
            return "/dev/kvm has another API version than 12"
        os.close(fcntl.ioctl(kvm, _KVM_CREATE_VM, 0))
    except OSError as error:
        return f"/dev/kvm creates no VM: {error.strerror}"
    finally:
        os.close(kvm)
    for module in ("kvm_amd", "kvm_intel"):
        nested = pathlib.Path(f"/sys/module/{module}/parameters/nested")
        if nested.exists() and nested.read_text().strip() in ("1", "Y"):
            return None
    return "KVM does not nest here: load kvm_amd or kvm_intel with nested=1"


IN_BACKGROUND = ("nice", "-n", "19")  # the start of a command line that takes only CPU time which other programs leave


def accelerator(emulated, is_counted=False):
    if is_counted:
        # One ns of the host's clock for each instruction. An idle CPU waits in real time, so
        # that the timeouts of its disks hold.
        return ["-accel", "tcg", "-icount", "shift=0,sleep=on", "-cpu", "EPYC-Milan,+svm"]
    if not emulated:
        return ["-accel", "kvm", "-cpu", "host"]
    # QEMU emulates AMD's SVM with nested paging, so KVM works in the emulated host.
    return ["-accel", "tcg,thread=multi", "-cpu", "EPYC-Milan,+svm"]


def real_time_prefix():
    """The start of the emulator's command line: SCHED_FIFO for its first thread; [] if not allowed.

    The emulator's first thread fires the emulated host's timers. As an ordinary thread it
    competes with the emulator's vCPU threads and is late by milliseconds on a machine that
    has no more CPUs than the emulated host. --reset-on-fork keeps the vCPU threads ordinary.
    """
    command = ["chrt", "--reset-on-fork", "--fifo", "1"]
    return command if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0 else []


@contextlib.contextmanager
def no_idle_states():
    """Keeps this machine's idle CPUs polling inside the block. Yields whether this is allowed.

    If this machine is a VM, a halted CPU may need milliseconds to run again after a wake-up,
    and an emulated CPU that was woken there stalls for as long. A latency of 0 us in
    /dev/cpu_dma_latency makes idle CPUs poll.
    """
    try:
        # Mode r+: it must not create the file if there is no such device.
        latency = open("/dev/cpu_dma_latency", "r+b", buffering=0)
    except OSError:
        yield False
        return
    with latency:  # the limit is in force while the file is open
        latency.write(struct.pack("=i", 0))  # us
        yield True


HOST_KERNEL, HOST_INITRAMFS = "vmlinux", "initramfs"  # in the job's folder, if the job has a kernel of its own


def _kernel(image, job, append, folder):
    if not job.host_kernel:
        return ["-kernel", f"/images/{image.vmlinux.name}", "-append", append]
    return ["-kernel", f"{folder}/{HOST_KERNEL}", "-initrd", f"{folder}/{HOST_INITRAMFS}",
            "-append", f"{append} {host_kernels.OPTIONS}"]


def qemu(program, image, emulated, job):
    """QEMU's command line in the build root, where /images and /run/lab-job are mounted."""
    append = (f"root=/dev/nvme0n1 rootwait rw init={image.init} console=ttyS0 "
              "quiet loglevel=4 nowatchdog panic=-1 oops=panic "
              # Skip work that is slow under emulation: 255 absent PCI buses, self-tests, ...
              "pci=lastbus=0 cryptomgr.notests=1 mitigations=off nokaslr init_on_alloc=0")
    if job.is_counted:
        append += " tsc=reliable"  # the watchdog would replace it by the HPET, whose reads cost far more
    folder = "/run/lab-job"
    return [program, "-M", "q35,sata=off,smbus=off,vmport=off", *accelerator(emulated, job.is_counted),
            *job.topology.qemu(),
            "-nodefaults", "-display", "none", "-no-reboot", "-name", "pvsched-host",
            *_kernel(image, job, append, folder),
            "-serial", f"file:{folder}/console.log",
            # Only one NVMe disk, so its name is fixed. The others are found by serial number.
            "-drive", f"file=/images/{image.disk.name},if=none,id=root,format=raw,snapshot=on",
            "-device", "nvme,drive=root,serial=lab-root",
            "-drive", f"file={folder}/payload.tar,if=none,id=payload,format=raw,read-only=on",
            "-device", "virtio-blk-pci,drive=payload,serial=lab-payload",
            "-drive", f"file={folder}/results.tar,if=none,id=results,format=raw",
            "-device", "virtio-blk-pci,drive=results,serial=lab-results",
            "-device", "virtio-serial-pci",
            "-chardev", f"stdio,id=job,signal={'off' if job.interactive else 'on'}",
            "-device", "virtconsole,chardev=job",
            "-chardev", f"file,id=status,path={folder}/status",
            "-device", "virtserialport,chardev=status,name=lab.status"]
