# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Schedulers of the user, compared with pvsched: --peer NAME=PROGRAM, a program that loads a sched_ext scheduler."""

import argparse
import pathlib
import re
import shutil

from bench.policies import POLICIES, Policy
from settings import BUILD, CHECKOUT, UsageError

HELP = ("compare with a sched_ext scheduler of yours: PROGRAM loads it and runs until SIGTERM, like those of the scx "
        "project. The bench copies it to the host under test and starts it in place of pvschedd. NAME is the policy's "
        "name; may be repeated")
_X86_64 = 62
_ELF_MACHINE = 18  # offset of e_machine


def parse(text):
    """(name, path) of NAME=PROGRAM: the type of the option."""
    name, _, program = text.partition("=")
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or not program:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=PROGRAM: NAME has small letters, digits, _ and -")
    if name in POLICIES:
        raise argparse.ArgumentTypeError(f"'{name}' is a policy of the bench: give the peer another name")
    path = pathlib.Path(program)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{program} is not a file: give the program of the scheduler")
    with open(path, "rb") as file:
        head = file.read(_ELF_MACHINE + 2)
    if head[:4] != b"\x7fELF" or int.from_bytes(head[_ELF_MACHINE:], "little") != _X86_64:
        raise argparse.ArgumentTypeError(f"{program} is no program for x86-64: give the scheduler's binary")
    return name, path


def add(peers):
    """Makes policies of the peers, (name, path) each."""
    for name, _ in peers:
        if name in POLICIES:
            raise UsageError(f"bench: --peer {name} is there twice: give each peer a name of its own")
        POLICIES[name] = Policy(name, "sched_ext", is_peer=True)


def programs(peers, root):
    """name -> a copy of the program in the checkout, where the build root sees it."""
    folder = BUILD / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, path in peers:
        found[name] = folder / name
        shutil.copyfile(path, found[name])
        found[name].chmod(0o755)
        inside = f"/src/{found[name].relative_to(CHECKOUT)}"
        listed = root.run(["ldd", inside], capture_output=True, text=True)
        lacks = re.findall(r"^.*\bnot found.*$", listed.stdout + listed.stderr, re.M)
        if lacks:
            raise UsageError(f"bench: --peer {name}: Debian 13 lacks a library that {path} needs: {lacks[0].strip()}. "
                             "Build it on Debian 13 (./lab chroot), or link it statically")
    return found
