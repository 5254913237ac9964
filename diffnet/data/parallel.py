"""Work spread over processes, one thread each; a worker's own error reaches the caller."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from .record import UserError

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLOSC_NTHREADS")
AHEAD = 2  # jobs a process that wait in the queue: enough to keep it busy, memory stays bounded


class WorkerError(UserError):
    """A worker process failed; the message names the job and what to do."""


def each(
    function: Callable[[Any, Any], Any],
    shared: Any,
    jobs: Iterable[tuple[str, Any]],
    processes: int,
) -> Iterator[tuple[str, Any]]:
    """Yield (name, function(shared, job)) for every (name, job), in the order they finish.

    One process works in the caller's own. `function` lives at the top of a module that loads
    quickly; `shared` travels once a worker. What `function` raises is raised here, a UserError
    or OSError as a WorkerError that names the job. WorkerError: a worker was killed.
    """
    if processes <= 1:
        for name, job in jobs:
            yield name, _named(name, function, shared, job)
        return
    context = multiprocessing.get_context("spawn")
    with _few_threads():
        executor = ProcessPoolExecutor(processes, context, _start, (function, shared))
        try:
            yield from _finished(executor, iter(jobs), processes * AHEAD)
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _finished(
    executor: ProcessPoolExecutor, jobs: Iterator[tuple[str, Any]], most: int
) -> Iterator[tuple[str, Any]]:
    """Keep at most `most` jobs under way."""
    under_way: dict[Future[Any], str] = {}
    more = True
    while more or under_way:
        while more and len(under_way) < most:
            following = next(jobs, None)
            if following is None:
                more = False
                break
            under_way[_submitted(executor, following, under_way)] = following[0]
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            try:
                result = future.result()
            except BrokenProcessPool as error:
                raise _killed(under_way.values()) from error
            yield under_way.pop(future), result


def _submitted(
    executor: ProcessPoolExecutor, job: tuple[str, Any], under_way: dict[Future[Any], str]
) -> Future[Any]:
    try:
        return executor.submit(_work, *job)
    except BrokenProcessPool as error:
        raise _killed([*under_way.values(), job[0]]) from error


def _killed(names: Iterable[str]) -> WorkerError:
    return WorkerError(
        f"a worker process was ended from outside, with these in work: {', '.join(names)}. Most "
        "often the memory ran out. What was finished is kept: run the same command again with "
        "fewer processes (--processes 1 needs the least). In a script of your own, calls that "
        'start processes have to stand under `if __name__ == "__main__":`'
    )


def _named(name: str, function: Callable[[Any, Any], Any], shared: Any, job: Any) -> Any:
    try:
        return function(shared, job)
    except UserError as error:
        raise WorkerError(f"{name}: {error}") from error
    except OSError as error:
        raise WorkerError(f"{name}: {_reason(error)}") from error
    except MemoryError as error:
        raise WorkerError(
            f"{name}: the memory did not suffice; run again with fewer processes"
        ) from error
    except Exception as error:
        error.add_note(f"while working on {name}")
        raise


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full ({error}). What was finished is kept: make room, or give another "
            "--work folder, and run the same command again"
        )
    return str(error)


@contextmanager
def _few_threads() -> Iterator[None]:
    """Workers that each start a thread per core would slow each other down."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_function: Callable[[Any, Any], Any]
_shared: Any


def _start(function: Callable[[Any, Any], Any], shared: Any) -> None:
    """In a new worker: Ctrl-C belongs to the caller, and no worker outlives it."""
    global _function, _shared
    _function, _shared = function, shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_caller, daemon=True).start()


def _follow_caller() -> None:
    caller = multiprocessing.parent_process()
    if caller is not None:
        caller.join()
        os._exit(1)


def _work(name: str, job: Any) -> Any:
    return _named(name, _function, _shared, job)
