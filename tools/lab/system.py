# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The system tests: pvsched's packages on a host with systemd, AppArmor and libvirt, in one boot.

The script's steps depend on each other. The domain is the one of docs/how-to/libvirt.md.
"""

import re
import textwrap
import threading

import build
import host
import image
import machine
import nested
import payload
from progress import say, step
from settings import BUILD, CHECKOUT, NESTED, OUT, LabError

_TESTS = CHECKOUT / "tests" / "system"
_SCRIPT = "libvirt.sh"
_PAGE = CHECKOUT / "docs/how-to/libvirt.md"
_PACKAGES = ("pvsched", "pvsched-device")
_NEWER = "+newer1"  # appended to the version for the upgrade
_TRIES_MAX = 3  # on emulated hosts


def steps():
    """The names of the script's steps, in their order."""
    return re.search(r'^STEPS="(.*)"$', (_TESTS / _SCRIPT).read_text(), re.M)[1].split()


def domain(page, elements):
    """The page's domain, with the elements of the tests' guest where the page has dots."""
    block = re.search(r"^    <domain .*?^    </domain>$", page, re.M | re.S)
    if not block:
        raise LabError(f"{_PAGE} has no block with a <domain>")
    parts = re.split(r"^  \.\.\.\n", textwrap.dedent(block[0]) + "\n", flags=re.M)
    if len(parts) < 2:
        raise LabError(f"the domain of {_PAGE} has no line of dots")
    return parts[0] + elements + "".join(parts[1:])


class Steps:
    """The steps and their results. `debs` are the packages, and `root` is the root that has built them.

    On an emulated host all steps are repeated if one fails. A step fails if it fails each time.
    """

    def __init__(self, root, debs):
        image.system_image()  # shows progress of its own
        self._job = payload.Job(["/bin/bash", f"/lab/tests/{_SCRIPT}"], _files(root, debs), has_systemd=True)
        self._tries = 0
        self._results = {}  # step -> result
        self._trouble = None  # the error that ended the last host
        self._background = None

    def try_in_background(self):
        """The first try, if more may follow, on a host that takes only the CPU time which other programs leave."""
        if self._tries_max() == 1:
            return
        self._job.is_background = True
        self._background = threading.Thread(target=self._try, daemon=True)
        self._background.start()

    def finish(self, tally):
        """Waits for the first try, repeats it if it must, and adds the results to the tally."""
        if self._background:
            self._background.join()
            self._job.is_background = False
        while not self._is_over():
            if self._tries:
                say("a step failed on an emulated host: all are repeated on a fresh one")
            self._try()
        for name in steps():
            tally.add(self._results.get(name, "fail"), f"system: {name}")
            if name not in self._results:
                print(f"fail {name}: {self._trouble or 'the script ended too early'}", flush=True)

    def _is_over(self):
        return (all(self._results.get(name) in ("pass", "skip") for name in steps())
                or self._tries >= self._tries_max())

    @staticmethod
    def _tries_max():
        return _TRIES_MAX if machine.why_no_kvm() else 1

    def _try(self):
        self._tries += 1
        results, self._trouble = _run_host(self._job)
        for result, name in results:
            if self._results.get(name) != "pass":
                self._results[name] = result


def _run_host(job):
    """The results of one host, (result, name) each, and the error that ended it, or None."""
    output = nested.Output("system: ")
    with step("testing the packages on a host with systemd and libvirt", prints=True):
        try:
            host.run(job, OUT / "system", output)
        except LabError as error:
            return output.results, error
    return output.results, None


def _files(root, debs):
    files = {f"/lab/tests/{path.name}": path.read_bytes() for path in (_TESTS / _SCRIPT, NESTED / "lib.sh")}
    xml = domain(_PAGE.read_text(), (_TESTS / "domain.xml").read_text())
    files["/lab/tests/vm1.xml"] = xml.encode()
    for deb in debs:
        name, _, rest = deb.name.partition("_")
        if name in _PACKAGES:
            newer = _newer(root, deb)
            files[f"/lab/packages/{deb.name}"] = deb.read_bytes()
            files[f"/lab/packages/newer/{name}_newer_{rest.rpartition('_')[2]}"] = newer.read_bytes()
    return files


def _newer(root, deb):
    """The same package with a higher version."""
    out = BUILD / "packages-newer" / deb.name
    out.parent.mkdir(parents=True, exist_ok=True)
    script = (f'cd "$(mktemp -d)"; dpkg-deb -R /src/{deb.relative_to(CHECKOUT)} top\n'
              f"sed -i 's/^Version: .*/&{_NEWER}/; s/(= \\([^)]*\\))/(= \\1{_NEWER})/g' top/DEBIAN/control\n"
              f"dpkg-deb --root-owner-group -b top /src/{out.relative_to(CHECKOUT)}")
    build.logged(root, f"making a newer {deb.name.partition('_')[0]}", ["sh", "-ec", script])
    return out
