# SPDX-License-Identifier: Apache-2.0
"""Runs a job on the host under test, and tells a dead host from a failed job."""

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

CONSOLE = OUT / "host-console.log"

RETRIES = 2
_BOOT_S = 180
_SILENCE_S = 90  # the host says "beat" every 5 s
_STALE_S = 24 * 3600
_RESULTS_BYTES = 1 << 30  # sparse
_DEATHS = re.compile(r"Kernel panic.*|BUG: .*|Oops: .*|.*shutdown_interception.*|watchdog: .*lockup.*")


class HostDied(LabError):
    """The host under test went away in the middle of a job."""

    kept = {}  # what the job had kept by then: path in $OUT -> bytes


class EmulatorDied(HostDied):
    """So it did, but under emulation, where that happens without the job's doing."""


@dataclasses.dataclass
class Outcome:
    status: int
    out: pathlib.Path  # what the job left in $OUT
    boot_s: float
    kernel: str
    emulated: bool


def run(job, out, write=None, retries=RETRIES):
    """Boots a host and runs `job` (a payload.Job) there; its output goes to write(bytes).

    An emulated host that dies is not the job's failure: the job is run again on
    a fresh one, at most `retries` times in a row without anything to show for it.
    What it had kept by then (LAB_RESULTS) is in its $OUT again.
    """
    disk = image.host_image()
    reason = machine.why_no_kvm()
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
            say(f"the emulated host died: {death}. That is the emulator's failure, not the job's: "
                f"going on with what it kept, on a fresh host (retry {attempt} of {retries})" if kept
                else f"the emulated host died: {death}. That is the emulator's failure, not the "
                f"job's: starting over on a fresh host (retry {attempt} of {retries})")


def _boot(disk, emulated, job, out, write, kept):
    runs = CACHE / "runs"
    runs.mkdir(exist_ok=True)
    for left in runs.iterdir():  # by labs that were killed
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="job-", dir=runs))
    try:
        payload.write(job, folder / "payload.tar", kept)
        (folder / "status").touch()
        with open(folder / "results.tar", "wb") as file:
            file.truncate(_RESULTS_BYTES)
        program = emulator.program(roots.build_root()) if emulated else "qemu-system-x86_64"
        prefix = machine.punctual() if emulated else []
        if emulated and not prefix:
            say("the emulated host's timers expire late: this machine gives the emulator no real-time priority (chrt)")
        argv = prefix + machine.qemu(program, disk, emulated, job.interactive)
        watch = _Watch(folder)
        try:
            with machine.awake() if emulated else contextlib.nullcontext(True) as is_awake:
                if not is_awake:
                    say("the emulated host may stand still at times: /dev/cpu_dma_latency does not open here")
                outcome = _attend(argv, disk, folder, watch, job, write)
        except (KeyboardInterrupt, SystemExit) as stop:
            stop.kept = _kept(folder / "results.tar")
            raise
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        OUT.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "console.log", CONSOLE)
        if outcome is None:
            death = watch.death()
            if watch.refused:
                raise LabError(f"QEMU did not start the host: {watch.refused}")
            if "Attempted to kill init" in death:
                raise LabError(f"host-init ended early: {death}; see {CONSOLE}")
            error = (EmulatorDied if emulated else HostDied)(f"{death}; its console: {CONSOLE}")
            error.kept = _kept(folder / "results.tar")
            raise error
        subprocess.run(["tar", "-x", "--no-same-owner", "-f", folder / "results.tar", "-C", out], check=True)
        return Outcome(outcome, out, watch.boot_s, disk.kernel, emulated)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kept(path):
    try:
        # Named, as a guess would read the file's gigabyte of zeros for an xz stream.
        with tarfile.open(path, "r:") as archive:
            return {entry.name.removeprefix("./"): archive.extractfile(entry).read()
                    for entry in archive if entry.isfile()}
    except (tarfile.TarError, OSError):  # it died before, or while it wrote
        return {}


def _attend(argv, disk, folder, watch, job, write):
    """Runs QEMU to its end; the job's exit status, or None if the host died first."""
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
                if watch.silent():
                    break
        finally:
            if qemu.poll() is None:
                # Alive yet silent, or we are being stopped ourselves.
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
    """Follows what host-init says on the status port."""

    def __init__(self, folder):
        self._file = open(folder / "status", "r", encoding="ascii", errors="replace") \
            if (folder / "status").exists() else None
        self._console = folder / "console.log"
        self._started = self._heard = time.monotonic()
        self._rest = ""
        self.boot_s = None
        self.status = None
        self.refused = ""  # QEMU's complaint, if it would not even start
        self._complaint = ""

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
        complaints = [line for line in log.splitlines() if "warning" not in line]
        self._complaint = complaints[-1] if complaints else ""
        if returncode == 1 and self.boot_s is None:
            self.refused = self._complaint or "it gave no reason"

    def silent(self):
        limit = _SILENCE_S if self.boot_s is not None else _BOOT_S
        return time.monotonic() - self._heard > limit

    def death(self):
        """One line on what became of the host."""
        console = self._console.read_text(errors="replace") if self._console.exists() else ""
        found = _DEATHS.findall(console)
        when = "while booting" if self.boot_s is None else "in the middle of the job"
        if found:
            return f"{found[0].strip()} ({when})"
        if self.silent():
            return f"no sign of life for {time.monotonic() - self._heard:.0f} s ({when})"
        said = f"; QEMU: {self._complaint}" if self._complaint else ""
        return f"it reset or stopped without a word ({when}){said}"
