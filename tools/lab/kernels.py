# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab kernels: what of pvsched loads on the kernels that the Debian mirror has."""

import dataclasses
import fnmatch
import functools
import json

import build
import kernel_check
import kernel_matrix
import kernel_packages
import packages
import roots
from progress import say
from settings import LabError, Skipped, UsageError, require_root

HELP = """\
show what of pvsched loads on the kernels of the Debian mirror

Without an option: the stored results, which docs/reference/kernel-support.md shows, too.
--list names kernels of the mirror. --run checks each of them:

 1. It fetches the kernel's image and KVM's modules (30 to 120 MB, kept in the cache).
 2. It resolves the attach targets, kfuncs and CO-RE relocations of both BPF objects
    against the kernel's BTF and that of kvm.ko, kvm-amd.ko and kvm-intel.ko.
 3. It boots the kernel with an initramfs and loads every program as pvschedd does, for
    each actuator (about a minute on an emulated host). Kernels older than pvsched's
    oldest are not booted.
"""
EPILOG = """\
examples:
  ./lab kernels --list --only '*'    # every kernel of the mirror
  ./lab kernels --run --only '7.3*rt-amd64'
  ./lab kernels --run --write        # then: ./lab chroot -- python3 tools/lab/doc_blocks.py --write
"""


def add_options(sub):
    sub.add_argument("--list", action="store_true", help="name the mirror's kernels")
    sub.add_argument("--run", action="store_true", dest="is_run", help="check them")
    sub.add_argument("--no-boot", action="store_true", help="with --run: predict only, boot none")
    sub.add_argument("--only", metavar="PATTERN", help="all kernels whose release (uname -r) matches; default: the newest "
                     "cloud kernel of each series in each suite, and every flavour of trixie-backports' newest")
    sub.add_argument("--write", action="store_true", help="with --run: store the results in tests/kernels/results.json")
    sub.add_argument("--json", action="store_true", help="print JSON")


def main(args):
    if (args.write or args.no_boot) and not args.is_run:
        raise UsageError("kernels: --write and --no-boot belong to --run")
    if args.list or args.is_run:
        chosen = _chosen(args.only)
        return _list(chosen, args.json) if args.list else _run(chosen, args)
    _print([row for row in kernel_matrix.stored() if fnmatch.fnmatch(row["release"], args.only or "*")], args.json)
    return 0


def _chosen(pattern):
    offers = kernel_packages.offers()
    found = [o for o in offers if fnmatch.fnmatch(o.release, pattern)] if pattern else \
        kernel_packages.representative(offers)
    if not found:
        raise UsageError(f"kernels: the mirror has no kernel {pattern or ''} (try: ./lab kernels --list --only '*')")
    return found


def _list(offers, as_json):
    if as_json:
        print(json.dumps([dataclasses.asdict(offer) for offer in offers], indent=1))
        return 0
    for offer in offers:
        note = f"  (refused: older than {packages.oldest_host_kernel()})" if kernel_check.is_old(offer.release) else ""
        print(f"{offer.release:34} {offer.suite}{note}")
    return 0


def _run(offers, args):
    require_root()
    build.cmake(roots.build_root(), targets=kernel_check.TARGETS)
    rows, failed = [], []
    for offer in offers:
        try:
            rows.append(dataclasses.asdict(kernel_check.check(offer, kernel_packages.fetch(offer), not args.no_boot)))
        except LabError as error:
            failed.append(offer.release)
            say(f"{offer.release} could not be checked: {error}")
    if args.write:
        kept = kernel_matrix.stored() if kernel_matrix.RESULTS.exists() else []
        kernel_matrix.write(sorted(kernel_matrix.merged(kept, rows),
                                   key=lambda row: kernel_packages.newest_first(row["release"])))
    _print(rows, args.json)
    return 1 if failed else 0


def _print(rows, as_json):
    print(json.dumps(rows, indent=1) if as_json else kernel_matrix.text(rows), end="\n" if as_json else "")


# --- the tests ----------------------------------------------------------------

_TESTED_SUITES = ("trixie-backports",)  # reading the lists of all suites takes half a minute
_TRIES_MAX = 3  # the emulator may die
_IS_TESTED = {
    "another series": lambda offer, own: offer.series != own[:2],
    "PREEMPT_RT": lambda offer, _: offer.flavour == "rt-amd64",
}


def candidates(found, labs_own):
    """The kernels to test, one of each kind in _IS_TESTED: of those that pvsched supports, the newest that ran scx."""
    own = kernel_packages.version(labs_own)
    usable = [o for o in kernel_packages.representative(found) if not kernel_check.is_old(o.release)]
    ran_scx = {row["release"] for row in kernel_matrix.stored() if row["verdicts"]["scx"] == "loads"}
    usable.sort(key=lambda o: o.release not in ran_scx)
    return {kind: next((o for o in usable if is_tested(o, own)), None) for kind, is_tested in _IS_TESTED.items()}


def fetch_tested():
    """{kind: (offer, files)} of the kernels to test."""
    found = candidates(kernel_packages.offers(_TESTED_SUITES), roots.build_root().kernel)
    return {kind: (offer, kernel_packages.fetch(offer)) for kind, offer in found.items() if offer}


def tests():
    """{name: function}: each loads pvsched on one kernel besides the lab's own."""
    return {f"kernels: pvsched loads on {kind}": functools.partial(_test, kind) for kind in _IS_TESTED}


def _test(kind):
    try:
        fetched = fetch_tested()
    except LabError as error:  # also a mirror that does not answer
        raise Skipped(str(error)) from error
    if kind not in fetched:
        raise Skipped(f"the mirror has no kernel for this ({kind}) that pvsched supports")
    offer, files = fetched[kind]
    build.cmake(roots.build_root(), targets=kernel_check.TARGETS)
    return _expect(offer, files)


def _expect(offer, files):
    """The verdicts as text. They must be what is stored, or predicted."""
    stored = {row["release"]: row["verdicts"] for row in kernel_matrix.stored()}
    expected = stored.get(offer.release) or {name: "loads" if found.resolves else "refused"
                                             for name, found in kernel_check.predicted(files).items()}
    for tries_left in reversed(range(_TRIES_MAX)):
        try:
            result = kernel_check.check(offer, files)
            break
        except kernel_check.DidNotBoot:
            if not tries_left:
                raise
    if result.verdicts != expected:
        raise LabError(f"{offer.release}: {result.verdicts}, expected {expected}: {result.reasons}")
    return f"{offer.release}: {result.verdicts}"
