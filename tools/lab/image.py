# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The boot disk of a host under test: its root as a cached ext4 image."""

import contextlib
import dataclasses
import hashlib
import lzma
import pathlib
import shutil

import roots
from lock import exclusive
from progress import step
from settings import CACHE, INSIDE, LabError

_KEEP = 2  # images of a kind
_INIT = "usr/local/sbin/lab-init"
_UNIT = "lab-init.service"
_UNITS = "etc/systemd/system"
# Work of a new or a long-lived system, which costs minutes under emulation.
_MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "logrotate.timer",
           "systemd-hwdb-update.service", "ldconfig.service", "systemd-journal-catalog-update.service",
           "systemd-firstboot.service", "getty@tty1.service", "serial-getty@ttyS0.service",
           "serial-getty@hvc0.service")  # hvc0 has the job's output
_MACHINE_ID = "b0a7e5c4d3f24e1f8a6b9c0d1e2f3a4b"
GUEST_KERNEL = "boot/lab-vmlinux"  # guests run the host's kernel


@dataclasses.dataclass(frozen=True)
class HostImage:
    disk: pathlib.Path
    vmlinux: pathlib.Path
    kernel: str
    init: str  # process 1
    boot_max_s: int


def host_image():
    """The host whose process 1 is the lab's."""
    return _image(roots.host_root(), f"/{_INIT}", 180, _files())


def system_image():
    """The host with systemd, AppArmor and libvirt."""
    root = roots.system_root()
    return _image(root, "/sbin/init", 300, {**_files(), **_systemd_files(), **_without_slow_work(root.path)})


def _files():
    return {_INIT: (INSIDE / "host-init").read_bytes()}


def _systemd_files():
    """Files of the root: path -> bytes, or a link's target as text."""
    masks = {f"{_UNITS}/{name}": "/dev/null" for name in _MASKED}
    return {f"{_UNITS}/{_UNIT}": (INSIDE / _UNIT).read_bytes(),
            f"{_UNITS}/multi-user.target.wants/{_UNIT}": f"/{_UNITS}/{_UNIT}",
            # Without an id the boot would be the system's first.
            "etc/machine-id": f"{_MACHINE_ID}\n".encode(),
            "etc/hostname": b"pvsched-host\n",
            **masks}


def _without_slow_work(root):
    """Links that disable what takes a minute under emulation, and which no job needs.

    AppArmor compiles every profile at boot; libvirt's stay. systemd runs its generators of
    units at each reload; packages need many reloads.
    """
    profiles, generators = "etc/apparmor.d", "usr/lib/systemd/system-generators"
    return {**{f"{profiles}/disable/{path.name}": f"/{profiles}/{path.name}"
               for path in sorted((root / profiles).iterdir()) if path.is_file() and "libvirt" not in path.name},
            **{f"etc/systemd/system-generators/{path.name}": "/dev/null"
               for path in sorted((root / generators).iterdir())}}


def _image(root, init, boot_max_s, files):
    images = CACHE / "images"
    images.mkdir(exist_ok=True)
    recipe = repr(sorted(files.items())).encode() + pathlib.Path(__file__).read_bytes()
    stem = f"{root.path.name}-{hashlib.sha256(recipe).hexdigest()[:8]}"
    disk, vmlinux = images / f"{stem}.ext4", images / f"{stem}.vmlinux"
    if not disk.exists():
        with exclusive(CACHE / "image.lock"):
            if not disk.exists():
                _make(root, files, disk, vmlinux)
    disk.touch()
    kind = root.path.name.partition("-")[0]
    for old in sorted(images.glob(f"{kind}-*.ext4"), key=lambda p: p.stat().st_mtime)[:-_KEEP]:
        # Safe for a running emulator: its file stays open.
        old.unlink(missing_ok=True)
        old.with_suffix(".vmlinux").unlink(missing_ok=True)
    return HostImage(disk, vmlinux, root.kernel, init, boot_max_s)


def _make(root, files, disk, vmlinux):
    vmlinux.write_bytes(uncompressed(find_vmlinuz(root.path, root.kernel).read_bytes()))
    for name, content in files.items():
        _write(root.path / name, content)
    shutil.copyfile(vmlinux, root.path / GUEST_KERNEL)
    making = disk.with_suffix(".making")
    making.unlink(missing_ok=True)
    with step("making the host's disk image"):
        # mke2fs -d needs no loop device. No journal: QEMU writes to a snapshot only.
        done = roots.build_root().run(
            ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-L", "pvsched-host",
             "-d", "/host-root", f"/images/{making.name}", "3G"],
            binds=((root.path, "/host-root"), (disk.parent, "/images")),
            capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"mke2fs could not make the host's disk: {done.stderr.strip()}")
    making.rename(disk)


def _write(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    if isinstance(content, str):
        file.symlink_to(content)
    else:
        file.write_bytes(content)
        file.chmod(0o755 if content.startswith(b"#!") else 0o644)


def uncompressed(vmlinuz):
    """The ELF kernel inside Debian's image.

    QEMU starts an ELF kernel directly (PVH). Under nested emulation the decompression of a
    vmlinuz takes longer than the rest of the boot.
    """
    if vmlinuz[:4] == b"\x7fELF":
        return vmlinuz
    start = -1
    while (start := vmlinuz.find(b"\xfd7zXZ\0", start + 1)) >= 0:  # of older kernels
        with contextlib.suppress(lzma.LZMAError):
            found = lzma.LZMADecompressor().decompress(vmlinuz[start:])
            if found.startswith(b"\x7fELF"):
                return found
    while (start := vmlinuz.find(b"\x28\xb5\x2f\xfd", start + 1)) >= 0:  # zstd's magic
        # Data follows the zstd frame, so zstd fails after it has written the kernel.
        found = roots.build_root().run(["zstd", "-dcq"], input=vmlinuz[start:], capture_output=True)
        if found.stdout.startswith(b"\x7fELF"):
            return found.stdout
    return vmlinuz


def find_vmlinuz(root, kernel):
    for name in (f"boot/vmlinuz-{kernel}", f"usr/lib/modules/{kernel}/vmlinuz",
                 f"usr/lib/modules/{kernel}/vmlinuz.unsigned"):
        if (root / name).exists():
            return root / name
    raise LabError(f"{root} has no image of kernel {kernel}")
