"""The command line: one subcommand a verb, made from the verb's signature and docstring."""

from __future__ import annotations

import errno
import inspect
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from . import __version__
from .verbs import VERBS
from .verbs.docstring import Described, described
from .verbs.progress import progress_shown

ALIASES: dict[str, tuple[str, ...]] = {
    "scans": ("--input", "-i"),
    "out": ("-o",),
    "overrides": ("--set",),
    "conditions": ("--condition",),
    "knobs": ("--knob",),
}

ABOUT = """Diffusion models for medical images that configure themselves.

A dataset folder in; a plan, a trained model, predictions on each scan's own grid, a report out."""
FIRST = "Start: diffnet demo. Then: diffnet plan-and-train DATASET. Help on a verb: diffnet VERB -h"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 a fault of ours, 2 a mistake in the call, 130 Ctrl-C."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """The exit code of one command."""
    try:
        return _answered(arguments)
    except CycloptsError as error:
        _complain(f"{str(error).strip()}{_hint(arguments)}")
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has left; a flush at exit must not complain a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        sentence = user_sentence(error)
        if sentence is None:
            raise
        _complain(sentence)
        return 2


def _answered(arguments: list[str]) -> int:
    app = application(arguments)
    with progress_shown():
        result = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    sys.stdout.flush()
    return int(getattr(result, "exit_code", 0))


def application(arguments: Sequence[str] = ()) -> App:
    """The verb that `arguments` ask for; all of them where they name none."""
    app = App(
        name="diffnet",
        help=ABOUT,
        help_epilogue=FIRST,
        help_format="plaintext",
        version=__version__,
        version_flags=["--version"],
        suppress_keyboard_interrupt=False,
    )
    asked = arguments[0] if arguments else ""
    for name in [asked] if asked in VERBS else VERBS:
        verb = _imported(VERBS[name])
        about = described(verb)
        example = f"Example:\n{about.example}" if about.example else None
        order = list(VERBS).index(name)
        app.command(
            command(verb, about),
            name=name,
            help=about.text,
            help_epilogue=example,
            sort_key=order,
        )
    return app


def command(verb: Callable[..., Any], about: Described) -> Callable[..., Any]:
    """`verb` with help on each parameter, a flag --json, and its result printed."""
    signature = inspect.signature(verb)
    parameters = [_annotated(p, verb, about) for p in signature.parameters.values()]
    as_json = Annotated[
        bool, Parameter(negative=False, show_default=False, help="print the result as JSON")
    ]
    flag = inspect.Parameter(
        "json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=as_json
    )

    def called(*positional: Any, json: bool = False, **named: Any) -> Any:
        result = verb(*positional, **named)
        show(result, json)
        return result

    called.__name__ = verb.__name__
    called.__annotations__ = {p.name: p.annotation for p in (*parameters, flag)}
    called.__signature__ = inspect.Signature([*parameters, flag])  # type: ignore[attr-defined]
    return called


def _annotated(
    p: inspect.Parameter, verb: Callable[..., Any], about: Described
) -> inspect.Parameter:
    kind = p.annotation
    if isinstance(kind, str):
        kind = eval(kind, verb.__globals__)  # written by us, in the verb's own file
    settings: dict[str, Any] = {"help": about.parameters.get(p.name, "")}
    if p.default is not True:
        settings["negative"] = False
    if p.default is False or p.default == ():
        settings["show_default"] = False
    if p.name in ALIASES:
        settings["alias"] = ALIASES[p.name]
    return p.replace(annotation=Annotated[kind, Parameter(**settings)])


def show(result: Any, as_json: bool = False) -> None:
    """Print what a verb returned: its table or text, or JSON."""
    if as_json:
        print(json.dumps(plain(result), indent=1, ensure_ascii=False))
    elif result is not None:
        table = getattr(result, "table", None)
        text = table() if callable(table) else result
        if str(text):
            print(text)


def plain(result: Any) -> Any:
    """What JSON can hold: records, dataclasses, paths and containers of them."""
    if hasattr(result, "to_json"):
        return plain(result.to_json())
    if is_dataclass(result) and not isinstance(result, type):
        return plain(asdict(result))
    if isinstance(result, dict):
        return {str(k): plain(v) for k, v in result.items()}
    if isinstance(result, list | tuple | set | frozenset):
        return [plain(v) for v in result]
    if result is None or isinstance(result, bool | int | float | str):
        return result
    return result.item() if hasattr(result, "item") else str(result)


def user_sentence(error: Exception) -> str | None:
    """What to tell the user about a mistake of theirs; None where the fault is ours."""
    ours = type(error).__module__.split(".")[0] == "diffnet"
    if ours and isinstance(error, ValueError):
        return str(error)
    if isinstance(error, FloatingPointError):
        return str(error)  # training diverged; the message says what to do
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error}). What was finished is kept: make room and run it again"
    if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError):
        place = Path(error.filename) if error.filename else "a file"
        return f"{place}: {error.strerror or error}"
    return None


def _complain(sentence: str) -> None:
    print(f"diffnet: {sentence}", file=sys.stderr)


def _hint(arguments: Sequence[str]) -> str:
    verb = f" {arguments[0]}" if arguments and arguments[0] in VERBS else ""
    return f" See: diffnet{verb} --help"


def _imported(place: str) -> Callable[..., Any]:
    module, function = place.split(":")
    return getattr(import_module(module), function)
