# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""./lab check: the style and the rules of the tree, without a build of it."""

import concurrent.futures
import contextlib
import dataclasses
import threading
import time

import check_headers
import check_includes
import check_links
import check_sizes
import check_tidy
import check_tools
import check_tree
import language
import roots
from progress import clear_line, say, step
from settings import CHECKOUT, OUT, LabError, UsageError

HELP = """\
Checks the style and the rules of the tree. Needs no build of the tree, and takes less
than a minute once clang-tidy has seen the files: its findings are kept in the lab's cache,
and made again only for files that changed (the first run takes some minutes).

Each check prints one line, then its findings, as FILE:LINE: what is wrong:

"""

EPILOG = """\
examples:
  ./lab check                       the whole tree, new files too
  ./lab check host-policy/ctl       a folder
  ./lab check --only language docs  one check, of the documents
  ./lab check --staged              what the next commit holds; no clang-tidy run,
                                    only its kept findings. .githooks/pre-commit runs it:
                                    git config core.hooksPath .githooks

build/lab/check.txt has all findings of the last run. Rules on links and on includes
read the whole tree, whatever FILES are.

Exit status: 0 success, 1 failure, 2 wrong usage.
"""

_SHOWN = 30  # findings of a check; the log has all


@dataclasses.dataclass(frozen=True)
class Check:
    name: str
    what: str
    run: object  # (tree) or (root, tree) -> findings
    needs_root: bool = False


def _language(tree):
    found = []
    for name in tree.texts():
        report = language.measure_file(tree.top / name, name)
        found += [f"{name}:{line}: {text}" for line, text in (report.errors if report else ())]
    return found


# clang-tidy is the last whose result is printed: it takes longest.
CHECKS = (
    Check("language", "short sentences in the field's words, in documents, comments and messages", _language),
    Check("file-size", f"files have at most {check_sizes.MAX_FILE} lines", check_sizes.files),
    Check("function-size", f"functions have at most {check_sizes.MAX_FUNCTION} lines", check_sizes.functions),
    Check("include-circles", "no header includes itself through others", check_includes.circles),
    Check("include-floors", f"{check_includes.BPF} has at most {check_includes.MAX_FLOORS} floors: a program and headers below",
          check_includes.floors),
    Check("bpf-headers", f"headers of {check_includes.BPF} hold no program and no map",
          check_includes.programs_in_headers),
    Check("device-users", f"{check_includes.DEVICE} is not included for its utilities", check_includes.device_users),
    Check("licences", "each file has an SPDX line, each program a copyright line", check_headers.licences),
    Check("machines", "no path of one machine, no package host", check_headers.machines),
    Check("links", "links of pages into the tree lead to a file and a heading", check_links.dead),
    Check("clang-format", "the format of all C++", check_tools.clang_format, True),
    Check("checkpatch", "the kernel's style, in kernel C, BPF, and the headers that these share with C++",
          check_tools.checkpatch, True),
    Check("shellcheck", "all shell scripts", check_tools.shellcheck, True),
    Check("pyflakes", "all Python", check_tools.pyflakes, True),
    Check("codespell", "spelling", check_tools.codespell, True),
    Check("clang-tidy", "all C++", None, True),
)


def describe():
    width = max(len(check.name) for check in CHECKS)
    return HELP + "\n".join(f"  {check.name:{width}}  {check.what}" for check in CHECKS)


def main(args):
    """The verb of ./lab."""
    if args.staged and args.files:
        raise UsageError("check: --staged chooses the files itself: leave out FILES, or --staged")
    unknown = [name for name in args.only if name not in [check.name for check in CHECKS]]
    if unknown:
        raise UsageError(f"check: there is no check {', '.join(unknown)} (try: ./lab check --help)")
    tree = check_tree.of_checkout(CHECKOUT, args.files, args.staged)
    checks = [check for check in CHECKS if not args.only or check.name in args.only]
    if args.staged:
        for name in check_tree.partly_staged(CHECKOUT):
            say(f"{name} has changes that are not staged: the working tree's text is checked")
        root = roots.existing_build_root()
    else:
        root = roots.build_root() if any(check.needs_root for check in checks) else None
    results = run(tree, root, checks, may_tidy=not args.staged, fail_fast=args.fail_fast)
    return 1 if any(result == "fail" for result, _ in results) else 0


def run(tree, root, checks=CHECKS, may_tidy=True, fail_fast=False):
    """Runs the checks and prints each result. Returns (result, name) of each."""
    results, log = [], []
    started = time.monotonic()
    is_stopped = threading.Event()
    with step(f"checking {len(tree.chosen)} files", prints=False) as shown, \
            concurrent.futures.ThreadPoolExecutor(3) as pool:
        def tidy():
            def progress(text):
                shown.detail = text
                if is_stopped.is_set():
                    raise LabError("another check failed first")
            return check_tidy.run(root, tree, progress, may_tidy)

        # clang-tidy takes longest, so it is the first to start, and two others run beside it.
        pending = {check.name: pool.submit(_one, check, tree, root) if check.run else pool.submit(_result, check, tidy, root)
                   for check in sorted(checks, key=lambda check: check.run is not None)}
        for check in checks:
            result, said, found = pending[check.name].result()
            results.append((result, check.name))
            log += found
            clear_line()
            print(f"{result} {check.name}: {said}", flush=True)
            for line in found[:_SHOWN]:
                print(f"  {line}", flush=True)
            if len(found) > _SHOWN:
                print(f"  and {len(found) - _SHOWN} more: see {OUT / 'check.txt'}", flush=True)
            if result == "fail" and fail_fast:
                is_stopped.set()
                pool.shutdown(cancel_futures=True)
                break
    _keep_log(log)
    failed = [name for result, name in results if result == "fail"]
    print(f"check: {len(results) - len(failed)} of {len(results)} checks passed or skipped, {len(log)} findings, "
          f"{time.monotonic() - started:.0f} s", flush=True)
    return results


def _keep_log(log):
    """Keeps all findings in a file, unless the folder belongs to root, as after sudo ./lab."""
    with contextlib.suppress(OSError):
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "check.txt").write_text("".join(f"{line}\n" for line in log))


def _one(check, tree, root):
    return _result(check, lambda: check.run(root, tree) if check.needs_root else check.run(tree), root)


def _result(check, find, root):
    """(pass, fail or skip, what to say, findings)"""
    if check.needs_root and not root:
        return "skip", "there is no build root, or this user may not enter it: `sudo ./lab check` makes it", []
    try:
        found = find()
    except check_tidy.Unchecked as error:
        return "skip", f"{error} files have changed since clang-tidy last ran: `./lab check` runs it", []
    except (LabError, SyntaxError) as error:
        return "fail", "did not run", [f"{check.name}: {line}" for line in str(error).splitlines()]
    return ("fail", f"{len(found)} findings; {check.what}", found) if found else ("pass", check.what, [])
