# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""The command line of ./lab bench."""

import argparse
import pathlib

import switch_cost
from bench import peers, performance, run as bench, suites
from bench.policies import BASE, POLICIES
from settings import UsageError


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return int(text)


def _suites(text):
    names = text.split(",")
    for name in names:
        if name not in (*suites.SUITES, "all"):
            raise argparse.ArgumentTypeError(f"'{name}' is no suite: use {', '.join(suites.SUITES)} or all")
    return names


def add_options(parser):
    parser.add_argument("--preset", choices=list(suites.PRESETS), default="",
                        help="measure what docs/performance.md shows, in at most 40 minutes on two emulated CPUs; "
                        "replaces --suite, --policies, --rounds and --seconds")
    parser.add_argument("--suite", default=["all"], metavar="NAME[,NAME]", type=_suites,
                        help=f"{', '.join(suites.SUITES)}, or all, which is all but numa (default: all)")
    parser.add_argument("--policies", default=[], metavar="NAME[,NAME]", type=lambda text: text.split(","),
                        help=f"policies to compare with {BASE}: {', '.join(list(POLICIES)[1:])} (default: all)")
    parser.add_argument("--peer", default=[], action="append", metavar="NAME=PROGRAM", type=peers.parse, dest="peers",
                        help=peers.HELP)
    parser.add_argument("--rounds", type=positive, default=3, metavar="N",
                        help="interleaved rounds of all measurements (default: %(default)s)")
    parser.add_argument("--seconds", type=positive, default=0, metavar="S",
                        help="length of each latency measurement (default: 5 to 20, so that the run ends within "
                        "two hours)")
    parser.add_argument("--seed", type=positive, default=1, metavar="N",
                        help="seed of the policies' order in each round (default: %(default)s)")
    parser.add_argument("--out", default=str(bench.DEFAULT_OUT), metavar="DIR",
                        help="directory for report.html, summary.md, results.json and raw files; replaces an earlier "
                        "result there (default: build/lab/bench)")
    parser.add_argument("--against", metavar="FILE",
                        help="compare with an older results.json: exit status 1 if pvsched has become worse")
    parser.add_argument("--publish", action="store_true",
                        help="keep the results as benchmarks/results/DATE-COMMIT.json, and generate "
                        "docs/performance.md from them")
    parser.add_argument("--assert", action="store_true", dest="is_asserted",
                        help="exit status 1 if a promise of docs/performance.md is missed or was not measured")
    parser.add_argument("--merge", default=[], metavar="DIR[,DIR]", type=lambda text: text.split(","),
                        help="measure nothing: merge earlier results, of other suites or more rounds of the same")
    parser.add_argument("--page", metavar="FILE",
                        help=f"measure nothing: write the page {performance.PAGE.name} from the newest file in "
                        "benchmarks/results, or from that of --from")
    parser.add_argument("--from", metavar="RESULTS", dest="source",
                        help="with --page: generate the page from this file")
    parser.add_argument("--switch-cost", action="store_true",
                        help="count the instructions of context switches and wake-ups on an emulated host of one CPU "
                        f"without a VM, under {', '.join(switch_cost.DEFAULT)} or --policies; takes some minutes. "
                        "--assert fails above the limits in benchmarks/switch_cost.py")
    parser.add_argument("--json", metavar="FILE", help="with --switch-cost: write the figures here")


def run(args, command):
    # A symbolic link stays; the directory that it names is replaced.
    out = pathlib.Path(args.out).resolve()
    if args.source and not args.page:
        raise UsageError("bench: --from is for --page: give both")
    if args.json and not args.switch_cost:
        raise UsageError("bench: --json is for --switch-cost: the other figures are in results.json of --out")
    if args.switch_cost:
        return switch_cost.run(args.policies, args.peers, pathlib.Path(args.json) if args.json else None,
                               args.is_asserted)
    if args.page:
        return bench.page(pathlib.Path(args.page), pathlib.Path(args.source) if args.source else None, args.is_asserted)
    if args.merge:
        return bench.merge([pathlib.Path(folder) for folder in args.merge], out, command, args.publish)
    wanted = [*suites.ALL, *args.suite] if "all" in args.suite else args.suite
    return bench.run(bench.Options(
        suites=[s for s in suites.SUITES if s in wanted], policies=args.policies, rounds=args.rounds,
        seconds=args.seconds, seed=args.seed, out=out, against=pathlib.Path(args.against) if args.against else None,
        command=command, preset=args.preset, is_published=args.publish, is_asserted=args.is_asserted,
        peers=tuple(args.peers)))
