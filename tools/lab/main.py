# SPDX-License-Identifier: Apache-2.0
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
import demo
import doctor
import host
import payload
import roots
import settings
import suite
from bench import run as bench
from bench import suites
from bench.policies import BASE, POLICIES
from progress import say
from settings import LabError, UsageError

_EPILOG = """\
The first run makes a Debian 13 system to build in and one to test in, from this
machine's own Debian mirror; it takes some minutes. They are kept in
/var/cache/pvsched-lab (or $PVSCHED_LAB_CACHE) and made anew when their recipe
changes. The host under test runs the newest usable kernel of
trixie-backports; PVSCHED_LAB_KERNEL=7.3.4 chooses another.

Exit status: 0 success, 1 failure, 2 wrong usage; exec, chroot: their command's.

docs/testing.md says more.
"""


_DEFAULT_OUT = settings.OUT / "out"


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(f"{message} (try: {self.prog} --help)")


def _chroot(args):
    settings.require_root()
    root = roots.build_root()
    command = [a for i, a in enumerate(args.command) if i or a != "--"] or ["bash"]
    os.execvp("unshare", root.command(command))


def _build(_args):
    root = build.everything()
    say(f"built: {settings.BUILD}/bin, and {settings.BUILD}/modules for kernel {root.kernel}")
    return 0


def _exec(args):
    out = pathlib.Path(args.out)
    if out != _DEFAULT_OUT and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"exec: --out {out} is there already and would be lost: give a new or empty directory")
    if args.script == "-":
        name, script = "stdin", sys.stdin.buffer.read()
    else:
        path = pathlib.Path(args.script)
        if not path.is_file():
            raise UsageError(f"exec: {path} is no file: give a script of this machine's, or - for stdin")
        name, script = path.name, path.read_bytes()
    build.host_and_guest()
    inside = f"/lab/job/{name}"
    runner = [] if script.startswith(b"#!") else ["bash"]
    files = {inside: script}
    library = pathlib.Path(args.script).parent / "lib.sh"
    if args.script != "-" and library.is_file():
        files["/lab/job/lib.sh"] = library.read_bytes()
    job = payload.Job([*runner, inside, *args.args], files)
    return host.run(job, out).status


def _shell(_args):
    if not sys.stdin.isatty():
        raise UsageError("shell is for a terminal: to run a script on the host, use ./lab exec SCRIPT")
    build.host_and_guest()
    size = os.get_terminal_size()
    say("the host's prompt follows; it powers off when you leave the shell")
    job = payload.Job([], interactive=True, terminal=f"sane rows {size.lines} cols {size.columns}")
    return host.run(job, _DEFAULT_OUT).status


def _demo(args):
    build.host_and_guest()
    return demo.run(args.rounds, args.seconds, args.actuator,
                    pathlib.Path(args.json), pathlib.Path(args.plot))


def _bench(args):
    out = pathlib.Path(args.out).resolve()  # what a symbolic link leads to is replaced, not the link
    if args.merge:
        return bench.merge([pathlib.Path(folder) for folder in args.merge], out, _command())
    wanted = list(suites.SUITES) if "all" in args.suite else args.suite
    return bench.run(bench.Options(
        suites=[s for s in suites.SUITES if s in wanted], policies=args.policies, rounds=args.rounds,
        seconds=args.seconds, seed=args.seed, out=out,
        against=pathlib.Path(args.against) if args.against else None,
        command=_command()))


def _command():
    return shlex.join(["./lab", *sys.argv[1:]])


def _test(args):
    if args.only and args.tiers != ["nested"]:
        raise UsageError("test: --only chooses among nested tests: ./lab test nested --only 'PATTERN'")
    return suite.run(args.tiers or suite.TIERS, args.only or "*")


def _doctor(args):
    return doctor.run(args.json)


def _clean(_args):
    settings.require_root()
    left = [p.name for p in sorted((settings.CACHE / "roots").glob("*"))
            if not roots.remove_unused(p)]
    if left:
        say(f"kept, as a lab is using them: {', '.join(left)}")
    return 1 if left else 0


def _positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return int(text)


def _actuators(text):
    names = text.split(",")
    for name in names:
        if name not in ("agent", "kfunc", "scx"):
            raise argparse.ArgumentTypeError(f"'{name}' is no actuator: agent, kfunc and scx are")
    return list(dict.fromkeys(names))


def _suites(text):
    names = text.split(",")
    for name in names:
        if name not in (*suites.SUITES, "all"):
            raise argparse.ArgumentTypeError(f"'{name}' is no suite: {', '.join(suites.SUITES)} and all are")
    return names


def _tier(text):
    if text not in suite.TIERS:
        raise argparse.ArgumentTypeError(f"'{text}' is no tier: {', '.join(suite.TIERS)} are")
    return text


def _parser():
    parser = _Parser(prog="./lab", description="Builds pvsched, and tries and tests it on a whole "
                     "host: a stock Debian kernel with KVM, in a virtual machine.",
                     epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name, run, text, **options):
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", **options)
        sub.set_defaults(run=run)
        return sub

    verb("build", _build, "build everything: C++ and BPF into build/bin, and the kernel modules")
    sub = verb("chroot", _chroot, "run a command in the build root, on this machine's own kernel, "
               "in the checkout (at /src)")
    sub.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="default: a shell")
    sub = verb("check", check.main, "check the style and the rules of the tree")
    sub.description, sub.epilog = check.describe(), check.EPILOG
    sub.formatter_class = argparse.RawDescriptionHelpFormatter
    sub.add_argument("--staged", action="store_true", help="check the files of the next commit; never make a build root")
    sub.add_argument("--only", default=[], metavar="NAME[,NAME]", type=lambda text: text.split(","),
                     help="run these checks")
    sub.add_argument("--fail-fast", action="store_true", help="end with the first check that fails")
    sub.add_argument("files", nargs="*", metavar="FILE", help="files and folders of the checkout (default: all)")
    sub = verb("demo", _demo, "measure a guest's and the host's latency on a busy host under EEVDF, "
               "pvsched and static SCHED_RR, and print a table")
    sub.add_argument("--rounds", type=_positive, default=3, metavar="N",
                     help="rounds of the three policies (default: %(default)s)")
    sub.add_argument("--seconds", type=_positive, default=20, metavar="S",
                     help="measured time of each policy in each round (default: %(default)s)")
    sub.add_argument("--actuator", default=["agent"], metavar="NAME[,NAME]", type=_actuators,
                     help="how pvschedd applies its decisions: agent, kfunc or scx; several are compared "
                     "with each other (default: agent)")
    sub.add_argument("--json", default=str(settings.OUT / "demo.json"), metavar="FILE",
                     help="the figures (default: build/lab/demo.json)")
    sub.add_argument("--plot", default=str(settings.OUT / "demo.svg"), metavar="FILE",
                     help="the distributions, as SVG (default: build/lab/demo.svg)")
    sub = verb("bench", _bench, "measure what guests gain and the host pays under pvsched and under what one would do "
               "instead, and write a report")
    sub.add_argument("--suite", default=["all"], metavar="NAME[,NAME]", type=_suites,
                     help=f"{', '.join(suites.SUITES)}, or all (default: all)")
    sub.add_argument("--policies", default=[], metavar="NAME[,NAME]", type=lambda text: text.split(","),
                     help=f"what is compared with {BASE}: {', '.join(list(POLICIES)[1:])} (default: all)")
    sub.add_argument("--rounds", type=_positive, default=3, metavar="N",
                     help="how often each is measured, interleaved (default: %(default)s)")
    sub.add_argument("--seconds", type=_positive, default=0, metavar="S",
                     help="how long latency is measured each time (default: what lets it all end in two hours, "
                     "5 to 20)")
    sub.add_argument("--seed", type=_positive, default=1, metavar="N",
                     help="of the order in which policies are measured in each round (default: %(default)s)")
    sub.add_argument("--out", default=str(bench.DEFAULT_OUT), metavar="DIR",
                     help="report.html, summary.md, results.json and raw files; an earlier result there is "
                     "replaced (default: build/lab/bench)")
    sub.add_argument("--against", metavar="FILE",
                     help="an older results.json: exit status 1 if pvsched has become worse since")
    sub.add_argument("--merge", default=[], metavar="DIR[,DIR]", type=lambda text: text.split(","),
                     help="do not measure: put earlier results together, of other suites or more rounds of the same")
    sub = verb("test", _test, "run the tests: everything, or the tiers named")
    sub.add_argument("tiers", nargs="*", metavar="unit|native|nested", type=_tier)
    sub.add_argument("--only", metavar="PATTERN", help="nested tests of this name (a shell pattern), such as '2*'")
    sub = verb("exec", _exec, "boot the host under test with pvsched in its PATH, run a script there "
               "as root, and return its exit status")
    sub.add_argument("--out", default=str(_DEFAULT_OUT), metavar="DIR",
                     help="where what it leaves in $OUT is put: a new or empty directory (default: build/lab/out, anew each time)")
    sub.add_argument("script", metavar="SCRIPT", help="a script of this machine's, and a lib.sh beside it; - for "
                     "stdin. It has lab-guest (try lab-guest --help) to start guests")
    sub.add_argument("args", nargs=argparse.REMAINDER, metavar="ARG")
    verb("shell", _shell, "the same, with a shell on this terminal")
    sub = verb("doctor", _doctor, "say what this machine can run, and what it lacks")
    sub.add_argument("--json", action="store_true", help="the same as JSON")
    verb("clean", _clean, "remove the cached systems, so that the next run makes them anew")
    return parser


def _end(number, _frame):
    if number == signal.SIGHUP:
        for fd in (1, 2):  # or the next line would end it for good
            if stat.S_ISCHR(os.fstat(fd).st_mode):
                os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
    sys.exit(128 + number)


def main():
    # So that progress ends and children are reaped, and bench reports, when the terminal goes, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _end)
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
