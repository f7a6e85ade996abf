# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The boot disk of the host under test: its root as a cached ext4 image."""

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

_KEEP = 2
_INIT = "usr/local/sbin/lab-init"
GUEST_KERNEL = "boot/lab-vmlinux"  # guests run the host's kernel


@dataclasses.dataclass(frozen=True)
class HostImage:
    disk: pathlib.Path
    vmlinux: pathlib.Path
    kernel: str


def host_image():
    root = roots.host_root()
    init = (INSIDE / "host-init").read_bytes()
    images = CACHE / "images"
    images.mkdir(exist_ok=True)
    recipe = init + pathlib.Path(__file__).read_bytes()
    stem = f"{root.path.name}-{hashlib.sha256(recipe).hexdigest()[:8]}"
    disk, vmlinux = images / f"{stem}.ext4", images / f"{stem}.vmlinux"
    if not disk.exists():
        with exclusive(CACHE / "image.lock"):
            if not disk.exists():
                _make(root, init, disk, vmlinux)
    disk.touch()
    for old in sorted(images.glob("*.ext4"), key=lambda p: p.stat().st_mtime)[:-_KEEP]:
        # Safe for a running emulator: its file stays open.
        old.unlink(missing_ok=True)
        old.with_suffix(".vmlinux").unlink(missing_ok=True)
    return HostImage(disk, vmlinux, root.kernel)


def _make(root, init, disk, vmlinux):
    vmlinux.write_bytes(uncompressed(find_vmlinuz(root.path, root.kernel).read_bytes()))
    file = root.path / _INIT
    file.write_bytes(init)
    file.chmod(0o755)
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
