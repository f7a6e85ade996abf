# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Runs a job on the host under test. A dead host and a failed job are different errors."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import emulator
import image
import machine
import payload
import roots
from progress import clear_line, say
from settings import CACHE, OUT, LabError

RETRIES = 2
_SILENCE_MAX_S = 90  # host-init writes "beat" every 5 s
_COUNTED_IS = 8  # times slower than other emulated hosts, at most
_STALE_S = 24 * 3600  # folders of killed labs
_RESULTS_BYTES = 1 << 30  # sparse
_DEATHS = re.compile(r"Kernel panic.*|BUG: .*|Oops: .*|.*shutdown_interception.*|watchdog: .*lockup.*")


class HostDied(LabError):
    """The host under test ended before its job."""

    kept = {}  # files that the job had saved (LAB_RESULTS): path in $OUT -> bytes


class EmulatorDied(HostDied):
    """The same under emulation, where the emulator is the likely cause, not the job."""


@dataclasses.dataclass
class Outcome:
    status: int
    out: pathlib.Path  # the job's $OUT
    boot_s: float
    kernel: str
    emulated: bool


def run(job, out, write=None, retries=RETRIES):
    """Boots a host and runs `job` (a payload.Job) there. Its output goes to write(bytes).

    If an emulated host dies, the job runs again on a fresh host, with the files in $OUT that
    it had saved (LAB_RESULTS). `retries` limits the deaths in a row without a new file.
    """
    disk = image.system_image() if job.has_systemd else image.host_image()
    reason = "only emulation counts instructions" if job.is_counted else machine.why_no_kvm()
    if reason:
        say(f"the host under test is emulated: {reason}")
    kept, attempt = {}, 0
    while True:
        try:
            return _boot(disk, bool(reason), job, out, write, kept)
        except EmulatorDied as death:
            attempt = 0 if len(death.kept) > len(kept) else attempt
            kept = death.kept or kept
            if attempt == retries:
                raise
            attempt += 1
            how = "the job continues from its saved files" if kept else "the job starts again"
            say(f"the emulated host died: {death}. This is the emulator's failure, not the job's: "
                f"{how} on a fresh host (retry {attempt} of {retries})")


def console_of(out):
    """The log of the host's console, for a job whose $OUT is copied to `out`."""
    return OUT / f"{out.name}-console.log"


def _boot(disk, emulated, job, out, write, kept):
    folder = _job_folder()
    try:
        payload.write(job, folder / "payload.tar", kept)
        if job.host_kernel:
            shutil.copyfile(job.host_kernel.image, folder / machine.HOST_KERNEL)
            (folder / machine.HOST_INITRAMFS).write_bytes(job.host_kernel.initramfs())
        (folder / "status").touch()
        with open(folder / "results.tar", "wb") as file:
            file.truncate(_RESULTS_BYTES)
        watch = _Watch(folder, disk.boot_max_s, _COUNTED_IS if job.is_counted else 1)
        try:
            status = _run_qemu(disk, emulated, folder, watch, job, write)
        except (KeyboardInterrupt, SystemExit) as stop:
            stop.kept = _saved(folder / "results.tar")
            raise
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        OUT.mkdir(parents=True, exist_ok=True)
        console = console_of(out)
        shutil.copyfile(folder / "console.log", console)
        if status is None:
            raise _death(watch, emulated, _saved(folder / "results.tar"), console)
        subprocess.run(["tar", "-x", "--no-same-owner", "-f", folder / "results.tar", "-C", out], check=True)
        return Outcome(status, out, watch.boot_s, disk.kernel, emulated)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _job_folder():
    """A new folder for one boot. Removes old folders of killed labs."""
    runs = CACHE / "runs"
    runs.mkdir(exist_ok=True)
    for old in runs.iterdir():
        if time.time() - old.stat().st_mtime > _STALE_S:
            shutil.rmtree(old, ignore_errors=True)
    return pathlib.Path(tempfile.mkdtemp(prefix="job-", dir=runs))


def _run_qemu(disk, emulated, folder, watch, job, write):
    """The job's exit status, or None if the host died first."""
    program = emulator.program(roots.build_root()) if emulated else "qemu-system-x86_64"
    is_timed = emulated and not job.is_counted
    prefix = machine.real_time_prefix() if is_timed else []
    if is_timed and not prefix:
        say("the emulated host's timers expire late: this machine allows the emulator no real-time priority (chrt)")
    if job.is_background:
        prefix = [*machine.IN_BACKGROUND, *prefix]
    argv = prefix + machine.qemu(program, disk, emulated, job)
    with machine.no_idle_states() if is_timed else contextlib.nullcontext(True) as is_held:
        if not is_held:
            say("the emulated host may stall at times: /dev/cpu_dma_latency does not open on this machine")
        return _attend(argv, disk, folder, watch, job, write)


def _death(watch, emulated, saved, console):
    """The error for a host that ended before its job."""
    reason = watch.death()
    if watch.refused:
        return LabError(f"QEMU did not start the host: {watch.refused}")
    if "Attempted to kill init" in reason:
        return LabError(f"host-init ended early: {reason}; see {console}")
    error = (EmulatorDied if emulated else HostDied)(f"{reason}; its console: {console}")
    error.kept = saved
    return error


def _saved(path):
    """The files that the job saved by a tar of $OUT in the results disk."""
    try:
        # "r:" names the format: detection would take the file's zeros for an xz stream.
        with tarfile.open(path, "r:") as archive:
            return {entry.name.removeprefix("./"): archive.extractfile(entry).read()
                    for entry in archive if entry.isfile()}
    except (tarfile.TarError, OSError):  # nothing was saved, or the host died while it saved
        return {}


def _attend(argv, disk, folder, watch, job, write):
    """Runs QEMU to its end. Returns the job's exit status, or None if the host died first."""
    command = ["setpriv", "--pdeathsig", "KILL", *roots.build_root().command(
        argv, binds=((disk.disk.parent, "/images"), (folder, "/run/lab-job")))]
    stderr = open(folder / "qemu.log", "wb")
    if job.interactive:
        with subprocess.Popen(command, stderr=stderr) as qemu:
            qemu.wait()
        watch.poll()
        return watch.status
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                          start_new_session=True) as qemu:
        forward = threading.Thread(target=_forward, args=(qemu.stdout, write or _to_stdout))
        forward.start()
        try:
            while qemu.poll() is None:
                time.sleep(0.2)
                watch.poll()
                if watch.is_silent():
                    break
        finally:
            if qemu.poll() is None:
                # The host is silent, or the lab itself is being stopped.
                os.killpg(qemu.pid, signal.SIGKILL)
            forward.join(timeout=10)
    watch.poll()
    watch.ended(qemu.returncode, (folder / "qemu.log").read_text(errors="replace"))
    return watch.status


def _forward(stream, write):
    while data := stream.read1(65536):
        write(data)


def _to_stdout(data):
    clear_line()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class _Watch:
    """Follows the messages of host-init on the status port."""

    def __init__(self, folder, boot_max_s, slowness=1):
        self._boot_max_s = boot_max_s
        self._slowness = slowness  # factor of the time limits
        self._file = open(folder / "status", "r", encoding="ascii", errors="replace") \
            if (folder / "status").exists() else None
        self._console = folder / "console.log"
        self._started = self._heard = time.monotonic()
        self._rest = ""
        self.boot_s = None
        self.status = None
        self.refused = ""  # QEMU's message if it did not start
        self._message = ""  # QEMU's last

    def poll(self):
        data = self._rest + self._file.read()
        *lines, self._rest = data.split("\n")
        for line in lines:
            self._heard = time.monotonic()
            if line.startswith("up "):
                self.boot_s = self._heard - self._started
            elif line.startswith("exit "):
                self.status = int(line.split()[1])

    def ended(self, returncode, log):
        messages = [line for line in log.splitlines() if "warning" not in line]
        self._message = messages[-1] if messages else ""
        if returncode == 1 and self.boot_s is None:
            self.refused = self._message or "it gave no reason"

    def is_silent(self):
        limit = _SILENCE_MAX_S if self.boot_s is not None else self._boot_max_s
        return time.monotonic() - self._heard > limit * self._slowness

    def death(self):
        """Why the host ended, in one line."""
        console = self._console.read_text(errors="replace") if self._console.exists() else ""
        found = _DEATHS.findall(console)
        when = "during boot" if self.boot_s is None else "during the job"
        if found:
            return f"{found[0].strip()} ({when})"
        if self.is_silent():
            return f"no message for {time.monotonic() - self._heard:.0f} s ({when})"
        message = f"; QEMU: {self._message}" if self._message else ""
        return f"it reset or stopped without a message ({when}){message}"
