# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The kernels of the Debian mirror: their names, their images and KVM's modules."""

import dataclasses
import json
import lzma
import pathlib
import re
import shutil
import subprocess
import tempfile

import image
import packages
import roots
from lock import exclusive
from progress import say, step
from settings import CACHE, LabError

SUITES = ("trixie", "trixie-updates", "trixie-proposed-updates", "trixie-backports", "bookworm", "bookworm-updates",
          "bookworm-backports", "forky", "sid", "experimental")
FLAVOURS = ("cloud-amd64", "rt-amd64", "amd64")
KVM = ("kvm", "kvm_amd", "kvm_intel")
_RELEASE = re.compile(rf"linux-(?:image|binary|binary-unsigned)-(\d\S*?-(?:{'|'.join(FLAVOURS)}))(?:-unsigned)?")
_HOST_KERNELS = "kernels"


@dataclasses.dataclass(frozen=True)
class Offer:
    """A kernel that the mirror has."""

    release: str  # uname -r
    suite: str
    packages: tuple

    @property
    def flavour(self):
        return flavour(self.release)

    @property
    def series(self):
        return version(self.release)[:2]


def flavour(release):
    return next(f for f in FLAVOURS if release.endswith(f"-{f}"))


def version(release):
    """The release's version as numbers: 7.3.4+deb13-amd64 -> (7, 3, 4), 6.1.0-50-amd64 -> (6, 1, 0, 50)."""
    return tuple(int(n) for n in re.split("[.-]", re.match(r"\d+(?:[.-]\d+)*", release)[0]))


def newest_first(release):
    """The key of an order in which newer releases come first, and flavours as in FLAVOURS."""
    return tuple(-n for n in (*version(release), 0)), FLAVOURS.index(flavour(release)), release


def representative(found):
    """The newest cloud kernel of each series in each suite, and all flavours of trixie-backports' newest."""
    chosen, seen = [], set()
    for offer in found:
        kind = (offer.suite, offer.series) if offer.flavour == FLAVOURS[0] else None
        if kind and kind not in seen:
            seen.add(kind)
            chosen.append(offer)
    newest = next((o for o in chosen if o.suite == "trixie-backports"), None)
    others = [o for o in found if newest and o.suite == newest.suite and o.release != newest.release
              and version(o.release) == version(newest.release)]
    return sorted(chosen + others, key=lambda o: newest_first(o.release))


def offers(suites=SUITES):
    """The kernels of these suites, newest first. A kernel of several suites is named once."""
    uri, found = packages.mirror(), {}
    with step("reading the mirror's package lists") as progress:
        for suite in suites:
            progress.detail = suite
            try:
                index = packages.index(uri, (suite,))
            except LabError:  # a mirror need not have each suite
                continue
            for offer in of_index(index, suite):
                found.setdefault(offer.release, offer)
    return sorted(found.values(), key=lambda o: newest_first(o.release))


def of_index(index, suite):
    releases = {match[1] for name in index.names if (match := _RELEASE.fullmatch(name))}
    return [Offer(r, suite, tuple(index.image_packages(r))) for r in sorted(releases) if index.image_packages(r)]


@dataclasses.dataclass(frozen=True)
class KernelFiles:
    """A kernel's image and modules, uncompressed, in the cache."""

    folder: pathlib.Path

    @property
    def image(self):
        return self.folder / "vmlinux"

    @property
    def is_elf(self):
        with open(self.image, "rb") as file:
            return file.read(4) == b"\x7fELF"

    def module(self, name):
        return (self.folder / f"{name}.ko").read_bytes()

    def load_order(self):
        """The names of the modules, each after those it depends on."""
        return json.loads((self.folder / "order.json").read_text())


def fetch(offer):
    """The kernel's files, downloaded unless they are in the cache."""
    return KernelFiles(kept(_HOST_KERNELS, "kernel", offer, _fetch))


def kept(folder, title, offer, fetch_to):
    """The offer's folder in this folder of the cache; fetch_to(offer, folder) fills it if it is missing."""
    path = CACHE / folder / offer.release
    with exclusive(CACHE / f"{folder}.lock"):
        if not path.exists():
            making = path.parent / f"making-{offer.release}"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            with step(f"fetching {title} {offer.release} of {offer.suite}"):
                fetch_to(offer, making)
            making.rename(path)
    return path


def _fetch(offer, target):
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        with packages.lists(packages.mirror(), (offer.suite,)) as options:
            debs = download(options, offer.packages, pathlib.Path(folder))
        unpack(debs, offer.release, target, KVM)


def download(options, names, folder):
    """The files of the packages, downloaded into `folder`. `options`: of packages.lists()."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["apt-get", *options, "download", *names], cwd=folder, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise LabError(f"the mirror does not deliver {' '.join(names)}: {done.stderr.strip().splitlines()[-1:]}")
    return sorted(folder.glob("*.deb"))


def unpack(debs, release, target, modules):
    """Writes KernelFiles to `target`: the image, and these modules with those they depend on."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        root = pathlib.Path(folder)
        for deb in debs:
            subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
        (target / "vmlinux").write_bytes(image.uncompressed(image.find_vmlinuz(root, release).read_bytes()))
        _write_modules(root, target, modules)


def _write_modules(root, target, names):
    files = {}
    for path in root.rglob("*.ko*"):
        files[path.name.partition(".ko")[0].replace("-", "_")] = path
    order = []

    def add(name):
        if name in order or name not in files:
            return
        data = _module(files[name])
        for needed in _dependencies(data):
            add(needed)
        (target / f"{name}.ko").write_bytes(data)
        order.append(name)

    for name in names:
        add(name)
    (target / "order.json").write_text(json.dumps(order))
    missing = [name for name in names if name not in order]
    if missing:
        say(f"the kernel's packages have no module {', '.join(missing)}")


def _dependencies(module):
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [n.replace("-", "_") for n in found[1].decode().split(",") if n] if found else []


def _module(path):
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".zst":
        return roots.build_root().run(["zstd", "-dcq"], input=data, capture_output=True).stdout
    return data
