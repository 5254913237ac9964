"""Progress bars: shown when the command line asks for them, silent in the Python API."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Progress = Callable[..., None]

_shown: ContextVar[bool] = ContextVar("progress_shown", default=False)


@contextmanager
def progress_shown(shown: bool = True) -> Iterator[None]:
    """Inside, `progress` draws bars and `say` writes, on standard error."""
    token = _shown.set(shown)
    try:
        yield
    finally:
        _shown.reset(token)


@contextmanager
def progress(doing: str, unit: str = "case") -> Iterator[Progress]:
    """A callback (done, total[, what]) that moves one bar, named by what is being done."""
    if not _shown.get():
        yield lambda done, total, what="": None
        return
    from tqdm import tqdm

    with tqdm(desc=doing, unit=unit, dynamic_ncols=True, disable=not sys.stderr.isatty()) as bar:

        def move(done: int, total: int, what: str = "") -> None:
            bar.total = total
            bar.set_postfix_str(what, refresh=False)
            bar.update(done - bar.n)

        yield move


def say(sentence: str) -> None:
    """A line of news for someone who watches."""
    if _shown.get():
        print(sentence, file=sys.stderr, flush=True)
