# SPDX-License-Identifier: Apache-2.0
"""One at a time, between the labs of a machine."""

import contextlib
import fcntl

from progress import step


@contextlib.contextmanager
def exclusive(path):
    """Holds the lock file `path` while the block runs; says so if it must wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"waiting for another lab that holds {path}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
