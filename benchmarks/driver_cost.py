# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The driver's cost in instructions, for a guest that only switches between tasks.

A clock is too noisy for a difference of 1 %: in an emulated guest, and on a busy machine.
So QEMU's icount advances this guest's clock by one nanosecond per instruction, and the
other load of the machine has no effect. The device is the real one, over vfio-user.
"""

import re
import statistics

import build
import image
import initramfs
import machine
from progress import step
from settings import BUILD, CASES, OUT, LabError

# `ordinary`: both tasks are SCHED_OTHER. `urgent`: one is real-time, so each switch publishes an intent.
LIMITS = {"ordinary": 1.02, "urgent": 1.025}
_INIT = "count-switches"
_ROUNDS = 3
_TIMEOUT_S = 600

# QEMU's messages and the guest's console are mixed in the output.
_RUN = """
build/bin/pvsched-device --socket /run/pvsched.sock --name counted 2>/run/device.log &
device=$!
trap 'kill $device' EXIT
until [ -S /run/pvsched.sock ]; do
  kill -0 $device 2>/dev/null || { cat /run/device.log; exit 1; }
  sleep 0.1
done
timeout "$@" 2>&1
"""


def ratios(root):
    """Instructions with the driver divided by those without: {"ordinary": 1.01, "urgent": 1.02}."""
    archive = OUT / "count-switches.cpio"
    driver = initramfs.stripped(root, build.module_path("pvsched", root.kernel))
    archive.write_bytes(initramfs.make(root, {"pvsched": driver}, [CASES / _INIT, BUILD / "bin/ping-pong"]))
    with step("counting the instructions of the driver in a guest"):
        done = root.run(["setpriv", "--pdeathsig", "TERM", *machine.IN_BACKGROUND, "sh", "-c", _RUN, "sh", str(_TIMEOUT_S), *_qemu()],
                        binds=((image.host_image().vmlinux.parent, "/images"),), capture_output=True, text=True)
    (OUT / "count-switches.log").write_text(done.stdout + done.stderr)
    return {kind: ratio(kind, done.stdout) for kind in LIMITS}


def check(root):
    """The ratios as text; raises LabError if a ratio exceeds its limit."""
    found = ratios(root)
    if _over(found):  # boots differ by 0.002, so the median of three decides
        boots = [found, ratios(root), ratios(root)]
        found = {kind: statistics.median(one[kind] for one in boots) for kind in LIMITS}
    text = ", ".join(f"{kind} {value:.4f}" for kind, value in found.items())
    if _over(found):
        raise LabError("instructions of a guest's switches and wake-ups, with the driver divided by without: "
                       f"{text}; limits: {LIMITS}")
    return text


def _over(found):
    return any(value > LIMITS[kind] for kind, value in found.items())


def ratio(kind, console):
    counted = re.findall(rf"^{kind} (with|without) ([0-9.]+)", console, re.M)
    seconds = [float(number) for _, number in counted]
    if [which for which, _ in counted] != ["without", "with"] * _ROUNDS + ["without"]:
        raise LabError("the counting guest did not complete; its console:\n" + console[-2000:])
    # Each value is divided by the mean of its neighbours, which cancels a steady drift.
    return statistics.median(2 * seconds[i] / (seconds[i - 1] + seconds[i + 1])
                             for i in range(1, len(seconds), 2))


def _qemu():
    return ["qemu-system-x86_64", "-M", "q35,sata=off,smbus=off,vmport=off,memory-backend=ram",
            "-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", "max", "-m", "256",
            "-object", "memory-backend-memfd,id=ram,size=256M,share=on",
            "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", f"/images/{image.host_image().vmlinux.name}", "-initrd", f"/src/build/lab/{_INIT}.cpio",
            "-append", f"console=ttyS0 quiet panic=-1 pci=lastbus=0 cryptomgr.notests=1 rdinit=/bin/{_INIT}",
            "-device", '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"/run/pvsched.sock"}}']
