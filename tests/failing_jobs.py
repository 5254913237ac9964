"""Jobs that fail in one way each; a file of its own, so that workers load it quickly."""

from __future__ import annotations

import os
import signal


def end_itself(shared: None, job: int) -> int:
    if job == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def no_room(shared: None, job: int) -> int:
    raise OSError(28, "No space left on device")


def broken(shared: None, job: int) -> int:
    return 1 // job
