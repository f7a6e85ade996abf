# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
"""Mutual exclusion between the labs of a machine."""

import contextlib
import fcntl

from progress import step


@contextlib.contextmanager
def exclusive(path):
    """Holds the lock file `path` inside the block. Shows progress while it waits for the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"waiting for another lab that holds {path}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
