# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""What of pvsched loads on one kernel: predicted from its BTF, and by booting it."""

import dataclasses
import json
import pathlib
import re
import stat
import subprocess
import tempfile

import btf
import emulator
import host_kernels
import initramfs
import kernel_packages
import machine
import packages
import predict
import roots
from progress import step
from settings import BUILD, CACHE, CHECKOUT, INSIDE, LabError

OBJECTS = {"hooks": BUILD / "host-policy/pvsched_hooks.bpf.o", "scx": BUILD / "host-policy/pvsched_scx.bpf.o"}
PROGRAM = BUILD / "bin/load-check"
TARGETS = ("load-check",)
_BOOT_MAX_S = 300
_INTEL, _AMD = "kvm_intel", "kvm_amd"


class DidNotBoot(LabError):
    """The kernel did not reach load-check's answer."""


def is_old(release):
    return kernel_packages.version(release)[:2] < packages.OLDEST_HOST_KERNEL


def kernel_types(files):
    """The kernel's types, and those of KVM's modules."""
    if not files.is_elf:
        raise LabError("its image is not compressed in a way that the lab knows")
    data = btf.sections(files.image.read_bytes()).get(".BTF")
    if not data:
        raise LabError("it has no BTF")
    types, modules = btf.Btf(data), {}
    for name in files.load_order():
        if own := btf.sections(files.module(name)).get(".BTF"):
            modules[name] = btf.Btf(own, types)
    return predict.Kernel(types, modules)


def predicted(files, objects=None):
    """Object -> predict.Prediction."""
    kernel = kernel_types(files)
    return {name: predict.predict(path.read_bytes(), kernel) for name, path in (objects or OBJECTS).items()}


# --- booting ------------------------------------------------------------------

def booted(files, release):
    """load-check's answer on this kernel, booted with nothing but an initramfs."""
    folder = CACHE / "runs"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kernel-", dir=folder) as name, step(f"booting {release}"):
        top = pathlib.Path(name)
        (top / "initramfs").write_bytes(_initramfs(files))
        return _answer(_console(files, top), release)


def _initramfs(files):
    root, cpio = roots.build_root(), initramfs.Cpio()
    for folder in ("bin", "dev", "proc", "sys", "tmp", "lib", "lib64", "lib/x86_64-linux-gnu", "modules"):
        cpio.add(folder, stat.S_IFDIR | 0o755)
    cpio.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    cpio.add("init", stat.S_IFREG | 0o755, (INSIDE / "kernel-init").read_bytes())
    cpio.add("bin/busybox", stat.S_IFREG | 0o755, (root.path / "usr/bin/busybox").read_bytes())
    for applet in ("sh", "mount", "ln", "insmod", "sed", "sync", "sleep"):
        cpio.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")
    cpio.add("bin/load-check", stat.S_IFREG | 0o755, PROGRAM.read_bytes())
    for library in root.libraries([f"/src/{PROGRAM.relative_to(CHECKOUT)}"]):
        cpio.add(library.removeprefix("usr/"), stat.S_IFREG | 0o755, (root.path / library).read_bytes())
    unused = _INTEL if "svm" in machine.cpu_flags() or machine.why_no_kvm() else _AMD
    order = [name for name in files.load_order() if name != unused]
    for name in order:
        cpio.add(f"modules/{name}", stat.S_IFREG | 0o644, files.module(name))
    cpio.add("modules/order", stat.S_IFREG | 0o644, "".join(f"{name}\n" for name in order).encode())
    return cpio.bytes()


def _console(files, top):
    """Boots the kernel and returns what it wrote to its serial console."""
    is_emulated = machine.why_no_kvm() is not None
    program = emulator.program(roots.build_root()) if is_emulated else "qemu-system-x86_64"
    command = [program, "-M", "q35,sata=off,smbus=off,vmport=off", *machine.accelerator(is_emulated),
               "-smp", "2", "-m", "2G", "-nodefaults", "-display", "none", "-no-reboot",
               "-kernel", f"/kernel/{files.image.name}", "-initrd", "/run/lab-job/initramfs",
               "-append", "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic nowatchdog pci=lastbus=0 "
               f"cryptomgr.notests=1 mitigations=off nokaslr init_on_alloc=0 {host_kernels.OPTIONS}",
               "-serial", "file:/run/lab-job/console"]
    argv = ["setpriv", "--pdeathsig", "KILL", *machine.IN_BACKGROUND, *roots.build_root().command(
        command, binds=((files.folder, "/kernel"), (top, "/run/lab-job")))]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_BOOT_MAX_S,
                              check=False)
        said = done.stderr.strip()
    except subprocess.TimeoutExpired:
        said = f"it ran for {_BOOT_MAX_S} s"
    console = top / "console"
    text = console.read_text(errors="replace") if console.exists() else ""
    return f"{text}\nqemu: {said}\n"


def _answer(console, release):
    found = re.search(r"^lab: answer (\{.*\})\s*$", console, re.M)
    if not found:
        last = [line for line in console.splitlines() if line.strip()][-3:]
        raise DidNotBoot(f"kernel {release} gave no answer; its console's end: {' / '.join(last)}")
    if "lab: insmod" in console:
        said = [line.strip() for line in console.splitlines() if re.search(r"insmod|module|kvm.*:", line)
                and not line.startswith(("lab: answer", "qemu"))]
        raise DidNotBoot(f"kernel {release} loads not all of KVM's modules: {' / '.join(said)}")
    return json.loads(found[1])


# --- the result ---------------------------------------------------------------

@dataclasses.dataclass
class Result:
    """A row of the support matrix."""

    release: str
    suite: str
    verdicts: dict  # object -> "loads", "resolves" (not booted) or "refused"
    reasons: dict  # object -> why it is refused
    instructions: dict  # object -> of the program that needs the verifier's most, 0: not booted
    missing_callbacks: list
    targets: dict  # module of KVM -> how many attach targets it has of how many that the objects name


def check(offer, files, boots=True):
    """The kernel's row. A kernel older than pvsched's oldest is not booted."""
    result = Result(offer.release, offer.suite, {}, {}, {}, [], {})
    try:
        prediction = predicted(files)
    except LabError as error:
        prediction = None
        result.reasons = {name: str(error) for name in OBJECTS}
        result.verdicts = {name: "refused" for name in OBJECTS}
    if prediction:
        _add_prediction(result, prediction)
    if is_old(offer.release):
        for name in OBJECTS:
            result.verdicts[name] = "refused"
            result.reasons[name] = f"older than {packages.oldest_host_kernel()}"
    elif boots and prediction:
        _add_answer(result, booted(files, offer.release))
    return result


def _add_prediction(result, prediction):
    for name, found in prediction.items():
        result.verdicts[name] = "resolves" if found.resolves else "refused"
        if not found.resolves:
            result.reasons[name] = found.why()
        result.instructions[name] = 0
    result.missing_callbacks = prediction["scx"].missing_callbacks
    for vendor in (_AMD, _INTEL):
        result.targets[vendor] = sorted({section.lstrip("?").partition("/")[2] for found in prediction.values()
                                         for section, where in found.targets.items() if where == vendor})


def _add_answer(result, answer):
    by_object = {"hooks": ("agent", "kfunc"), "scx": ("scx",)}
    for name, actuators in by_object.items():
        answers = [answer["actuators"][a] for a in actuators]
        refused = [a for a in answers if not a["loads"]]
        result.verdicts[name] = "refused" if refused else "loads"
        result.reasons.pop(name, None)
        if refused:
            result.reasons[name] = reason(refused[0]["error"])
        counts = [n for a in answers for n in a["programs"].values()]
        result.instructions[name] = max(counts, default=0)
    result.missing_callbacks = answer["actuators"]["scx"].get("missing_callbacks", result.missing_callbacks)


def reason(error):
    """The sentence that matters in an error of pvschedd: the verifier's last line, or else the first line."""
    program = re.search(r"prog '(\w+)': BPF program load failed", error)
    if not program:
        return error.partition("\n")[0].rstrip(":")
    log = re.search(r"-- BEGIN PROG LOAD LOG --\n(.*?)\n(?:processed|-- END)", error, re.S)
    last = log[1].splitlines()[-1].strip() if log else "no reason"
    return f"{program[1]}: {last}"
