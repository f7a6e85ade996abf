# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The command line of ./lab."""

import argparse
import os
import pathlib
import shlex
import signal
import stat
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks"))

import build
import check
import coverage
import demo
import doctor
import fuzz
import guest_kernels
import host
import kernels
import package
import payload
import roots
import settings
import suite
import topology
from bench import command as bench
from progress import say
from settings import LabError, UsageError

_EPILOG = """\
The first run makes two Debian 13 systems from this machine's Debian mirror, one to
build in and one to test in. This takes some minutes. They are cached in
/var/cache/pvsched-lab (or $PVSCHED_LAB_CACHE) and made again when their recipe
changes. The host under test runs the newest usable kernel of trixie-backports;
PVSCHED_LAB_KERNEL=7.3.4 selects another version.

Exit status: 0 success, 1 failure, 2 wrong usage; exec and chroot: the command's.

See docs/ for more.
"""

_DEFAULT_OUT = settings.OUT / "out"
_ACTUATORS = ("agent", "kfunc", "scx")


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(f"{message} (try: {self.prog} --help)")


def _command_line():
    return shlex.join(["./lab", *sys.argv[1:]])


# --- argument types -----------------------------------------------------------

def _positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive integer")
    return int(text)


def _names(kind, allowed):
    """A type: comma-separated names, all of `allowed`, without duplicates."""
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in allowed:
                raise argparse.ArgumentTypeError(f"'{name}' is no {kind}: choose from {', '.join(allowed)}")
        return list(dict.fromkeys(names))
    return parse


def _topology(text):
    try:
        return topology.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _tier(text):
    if text not in suite.TIERS:
        raise argparse.ArgumentTypeError(f"'{text}' is no tier: choose from {', '.join(suite.TIERS)}")
    return text


# --- verbs: _add_VERB declares the arguments, _VERB runs ------------------------

def _add_build(verb):
    verb("build", _build, "build everything: C++ and BPF into build/bin, and the kernel modules")


def _build(_args):
    root = build.everything()
    say(f"built: {settings.BUILD}/bin, and {settings.BUILD}/modules for kernel {root.kernel}")
    return 0


def _add_chroot(verb):
    sub = verb("chroot", _chroot, "run a command in the build root, on this machine's kernel, "
               "in the checkout (at /src)")
    sub.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="default: a shell")


def _chroot(args):
    settings.require_root()
    root = roots.build_root()
    command = [a for i, a in enumerate(args.command) if i or a != "--"] or ["bash"]
    os.execvp("unshare", root.command(command))


def _add_demo(verb):
    sub = verb("demo", _demo, "measure a guest's and the host's latency on a busy host under EEVDF, "
               "pvsched and static SCHED_RR, and print a table")
    sub.add_argument("--rounds", type=_positive, default=3, metavar="N",
                     help="rounds of the three policies (default: %(default)s)")
    sub.add_argument("--seconds", type=_positive, default=20, metavar="S",
                     help="measured time of each policy in each round (default: %(default)s)")
    sub.add_argument("--actuator", default=["agent"], metavar="NAME[,NAME]", type=_names("actuator", _ACTUATORS),
                     help=f"pvschedd's actuator: {', '.join(_ACTUATORS)}; several are compared (default: agent)")
    sub.add_argument("--json", default=str(settings.OUT / "demo.json"), metavar="FILE",
                     help="write the figures here (default: build/lab/demo.json)")
    sub.add_argument("--plot", default=str(settings.OUT / "demo.svg"), metavar="FILE",
                     help="write the distributions here, as SVG (default: build/lab/demo.svg)")


def _demo(args):
    build.host_and_guest()
    return demo.run(args.rounds, args.seconds, args.actuator,
                    pathlib.Path(args.json), pathlib.Path(args.plot))


def _add_bench(verb):
    sub = verb("bench", _bench, "measure the benefit for guests and the cost for the host, under pvsched and "
               "under the alternatives, and write a report")
    bench.add_options(sub)


def _bench(args):
    return bench.run(args, _command_line())


def _add_test(verb):
    sub = verb("test", _test, "run all tests, or the tiers named")
    sub.add_argument("tiers", nargs="*", metavar="unit|native|nested|packages|system", type=_tier)
    sub.add_argument("--only", metavar="PATTERN", help="nested tests whose name matches, such as 'scx-*'")
    sub.add_argument("--shuffle", metavar="SEED", type=_positive,
                     help="run the nested tests in an order drawn by this seed (default: by name)")
    sub.add_argument("--all-kernels", action="store_true", help="also the nested tests of every other guest kernel")
    sub.add_argument("--fail-fast", action="store_true", help="end before the build if a check fails")


def _test(args):
    for option, value in (("--only", args.only), ("--shuffle", args.shuffle), ("--all-kernels", args.all_kernels)):
        if value and args.tiers != ["nested"]:
            shown = option if value is True else f"{option} {value}"
            raise UsageError(f"test: {option} is for nested tests: ./lab test nested {shown}")
    return suite.run(args.tiers or suite.TIERS, args.only or "*", args.shuffle, args.fail_fast, args.all_kernels)


def _add_exec(verb):
    sub = verb("exec", _exec, "boot the host under test with pvsched in its PATH, run a script there "
               "as root, and return its exit status")
    sub.add_argument("--out", default=str(_DEFAULT_OUT), metavar="DIR",
                     help="a new or empty folder for the files that the script writes to $OUT "
                     "(default: build/lab/out, emptied first)")
    sub.add_argument("--topology", default=topology.DEFAULT, metavar="TOPOLOGY", type=_topology, help=topology.HELP)
    sub.add_argument("script", metavar="SCRIPT", help="a script on this machine, copied with a lib.sh beside it; "
                     "- for stdin. It starts guests with lab-guest (see lab-guest --help)")
    sub.add_argument("args", nargs=argparse.REMAINDER, metavar="ARG")


def _exec(args):
    out = pathlib.Path(args.out)
    if out != _DEFAULT_OUT and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"exec: --out {out} exists and would be overwritten: give a new or empty folder")
    if args.script == "-":
        name, script = "stdin", sys.stdin.buffer.read()
    else:
        path = pathlib.Path(args.script)
        if not path.is_file():
            raise UsageError(f"exec: {path} is not a file: give a script on this machine, or - for stdin")
        name, script = path.name, path.read_bytes()
    build.host_and_guest()
    inside = f"/lab/job/{name}"
    runner = [] if script.startswith(b"#!") else ["bash"]
    files = {inside: script}
    library = pathlib.Path(args.script).parent / "lib.sh"
    if args.script != "-" and library.is_file():
        files["/lab/job/lib.sh"] = library.read_bytes()
    kernels = tuple(guest_kernels.make(n) for n in guest_kernels.named_in(script.decode(errors="replace")))
    job = payload.Job([*runner, inside, *args.args], files, topology=args.topology, guest_kernels=kernels)
    return host.run(job, out).status


def _add_shell(verb):
    sub = verb("shell", _shell, "boot the host under test like exec, with a shell on this terminal")
    sub.add_argument("--topology", default=topology.DEFAULT, metavar="TOPOLOGY", type=_topology, help=topology.HELP)


def _shell(args):
    if not sys.stdin.isatty():
        raise UsageError("shell needs a terminal: use ./lab exec SCRIPT to run a script on the host")
    build.host_and_guest()
    size = os.get_terminal_size()
    say("starting the host's shell; the host powers off when the shell exits")
    job = payload.Job([], interactive=True, terminal=f"sane rows {size.lines} cols {size.columns}",
                      topology=args.topology)
    return host.run(job, _DEFAULT_OUT).status


def _add_doctor(verb):
    sub = verb("doctor", _doctor, "list what this machine can run and what it lacks")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _doctor(args):
    return doctor.run(args.json)


def _add_package(verb):
    verb("package", _package, "build the Debian packages into build/packages, and check them by lintian")


def _package(_args):
    root, debs = package.make()
    package.lint(root)
    for deb in debs:
        print(deb)
    return 0


def _add_clean(verb):
    verb("clean", _clean, "remove the cached systems, so that the next run makes them again")


def _clean(_args):
    settings.require_root()
    left = [p.name for p in sorted((settings.CACHE / "roots").glob("*"))
            if not roots.remove_unused(p)]
    if left:
        say(f"kept, because a lab uses them: {', '.join(left)}")
    return 1 if left else 0


def _add_check(verb):
    sub = verb("check", check.main, "check the style and the rules of the tree")
    sub.description, sub.epilog = check.describe(), check.EPILOG
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.add_argument("--staged", action="store_true", help="check the files of the next commit; never make a build root")
    sub.add_argument("--only", default=[], metavar="NAME[,NAME]", type=lambda text: text.split(","),
                     help="run these checks")
    sub.add_argument("--fail-fast", action="store_true", help="end with the first check that fails")
    sub.add_argument("files", nargs="*", metavar="FILE", help="files and folders of the checkout (default: all)")


def _add_coverage(verb):
    sub = verb("coverage", coverage.main, "measure which lines and functions of the C++ the tests run")
    sub.description, sub.epilog = coverage.HELP, coverage.EPILOG
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.add_argument("--native", action="store_true", help="run the native tests, too")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _add_fuzz(verb):
    sub = verb("fuzz", fuzz.main, "look for inputs that break pvsched's parsers, sessions and policy, by libFuzzer")
    sub.description, sub.epilog = fuzz.HELP, fuzz.epilog()
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    fuzz.add_options(sub)


def _add_kernels(verb):
    sub = verb("kernels", kernels.main, kernels.HELP.partition("\n")[0])
    sub.description, sub.epilog = kernels.HELP, kernels.EPILOG
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    kernels.add_options(sub)


_VERBS = (_add_build, _add_chroot, _add_check, _add_coverage, _add_demo, _add_bench, _add_test, _add_package,
          _add_fuzz, _add_kernels, _add_exec, _add_shell, _add_doctor, _add_clean)


def _parser():
    parser = _Parser(prog="./lab", description="Builds pvsched, and measures and tests it on a complete "
                     "host: a stock Debian kernel with KVM in a virtual machine.",
                     epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name, run, text, **options):
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", **options)
        sub.set_defaults(run=run)
        return sub

    for add in _VERBS:
        add(verb)
    return parser


def _exit_on_signal(number, _frame):
    if number == signal.SIGHUP:
        # The terminal is gone: the next write to it would end the lab before it cleans up.
        for fd in (1, 2):
            if stat.S_ISCHR(os.fstat(fd).st_mode):
                os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
    sys.exit(128 + number)


def main():
    # Exit by an exception, so that children are reaped and the bench writes its report.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _exit_on_signal)
    try:
        args = _parser().parse_args()
        return args.run(args)
    except UsageError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
