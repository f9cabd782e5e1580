"""Programs that a measurement starts: nothing of them is left, however the measurement ends."""

from __future__ import annotations

import shutil


def tied(*command: str) -> tuple[str, ...]:
    """Return `command` so that the kernel ends it (SIGKILL) when the thread that starts it ends.

    By util-linux rather than `preexec_fn`, which is not safe beside threads. A thread of an event loop's
    executor lives as long as the loop. A program that changes its user undoes it (prctl(2)).
    """
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--", *command) if setpriv else command
