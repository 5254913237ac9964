"""Which columns of cases.csv steer what is made, beside the class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..data import nearest, read_json
from .budget import PlanError
from .conditions import ScalarField, TextField
from .fingerprint import Fingerprint
from .reasons import Reasons

if TYPE_CHECKING:
    from ..tasks import Task

MOST_VALUES = 10  # of a category that becomes one scalar a value
KNOWN = 0.5  # share of the cases that have a value
LEAST = 10  # cases with a value
PREFERRED = ("text", "caption", "report", "findings", "impression", "note", "description")
FORGET = 0.1


def plan_scalars(
    f: Fingerprint, task: Task, taken: str | None, wanted: str | None, reasons: Reasons
) -> tuple[ScalarField, ...]:
    """Numbers, flags and further categories. taken: the class field. wanted: a user's columns
    with commas between, or "none". PlanError: no such column.
    """
    found = {n: _numeric(n, s) for n, s in f.numbers.items() if _varies(s)}
    found |= {n: _categorical(n, c) for n, c in f.categories.items() if n != taken}
    found = {n: fields for n, fields in found.items() if fields}
    _refuse_untaught("scalars", task, wanted)
    if wanted is not None:
        names = [w.strip() for w in wanted.split(",") if w.strip() not in ("", "none")]
        for name in names:
            if name not in found:
                raise PlanError(
                    f"there is no column {name!r} that could steer what is made: "
                    f"{nearest(name, list(found)) if found else 'the dataset has none'}"
                )
    else:
        names = [n for n in found if _often(f, n)] if "scalars" in task.offers else []
    fields = tuple(field for n in names for field in found[n])
    if fields or wanted is not None:
        reasons.add(
            "scalars",
            ", ".join(names) or "none",
            "set by the user"
            if wanted is not None
            else f"in generation all numbers, flags and categories of up to {MOST_VALUES} values "
            f"that {KNOWN:.0%} of the cases have; a missing value counts as not given",
            f"{len(found)} such columns beside the class",
            "--set scalars=NAME,NAME or none",
            wanted is not None,
        )
    return fields


def plan_text(
    f: Fingerprint, task: Task, wanted: str | None, reasons: Reasons, encoder: str | None = None
) -> TextField | None:
    """The column of free text. wanted: a user's, or "none". encoder: folder of a pretrained one.

    PlanError: no such column; no text for the encoder; a folder without one.
    """
    _refuse_untaught("text", task, wanted)
    if wanted is not None:
        name = None if wanted in ("", "none") else wanted
        if name is not None and name not in f.words:
            raise PlanError(
                f"there is no column of text {name!r} in cases.csv: "
                f"{nearest(name, list(f.words)) if f.words else 'the dataset has none'}"
            )
    else:
        name = next((p for p in PREFERRED if f.words.get(p)), None)
        name = name if "text" in task.offers else None
    if name is not None or wanted is not None:
        reasons.add(
            "text",
            name or "none",
            "set by the user"
            if wanted is not None
            else f"a column of text called {PREFERRED[0]}, {PREFERRED[1]}, ...",
            f"{len(f.words.get(name or '', ()))} words that come twice or more",
            "--set text=NAME or none",
            wanted is not None,
        )
    if name is None:
        if encoder:
            raise PlanError(f"text_encoder={encoder}: the plan uses no column of text")
        return None
    found = TextField(name, f.words[name])
    return _encoded(found, Path(encoder), reasons) if encoder else found


def _encoded(text: TextField, folder: Path, reasons: Reasons) -> TextField:
    """The text as a pretrained encoder reads it, whose configuration says how wide it is."""
    path = folder / "config.json"
    said = read_json(path) if path.is_file() else {}
    said = said.get("text_config") or said
    width = said.get("hidden_size") or said.get("d_model")
    if not isinstance(width, int):
        raise PlanError(
            f"text_encoder={folder}: there is no config.json with a hidden_size; name the folder "
            "of a text encoder as transformers' save_pretrained writes it"
        )
    reasons.add(
        "text_encoder",
        str(folder),
        "set by the user: texts become the vectors of a pretrained encoder, which stays as it is",
        f"{said.get('model_type', 'a model')} of width {width}",
        "no override: words are then learned with the network",
        True,
    )
    return replace(text, encoder=str(folder.resolve()), width=width)


def plan_forgetting(conditions: bool, reasons: Reasons) -> float:
    """Share of training examples that are not told their conditions."""
    if not conditions:
        return 0.0
    reasons.add(
        "training.forget",
        FORGET,
        "each condition, and all together: the network then knows every subset, and none",
        "there are conditions",
        "--set training.forget=0 where neither guidance nor missing values are wanted",
    )
    return FORGET


def _refuse_untaught(what: str, task: Task, wanted: str | None) -> None:
    if wanted not in (None, "", "none") and what not in task.offers:
        raise PlanError(
            f"{what}={wanted}: {task.name} takes {', '.join(sorted(task.offers))}; columns "
            "of cases.csv steer generation"
        )


def _varies(summary: tuple[float, ...]) -> bool:
    count, _, std, _, _ = summary
    return count >= LEAST and std > 0


def _often(f: Fingerprint, name: str) -> bool:
    known = f.numbers[name][0] if name in f.numbers else sum(f.categories[name].values())
    return known >= KNOWN * len(f.cases)


def _numeric(name: str, summary: tuple[float, ...]) -> tuple[ScalarField, ...]:
    _, mean, std, low, high = summary
    return (ScalarField(name, None, mean, std, low, high),)


def _categorical(name: str, counts: dict[str, int]) -> tuple[ScalarField, ...]:
    seen = [v for v, n in counts.items() if n > 0]
    if not 2 <= len(seen) <= MOST_VALUES or sum(counts.values()) < LEAST:
        return ()
    lowered = {v.lower() for v in seen}
    if lowered <= {"1", "true", "yes", "y", "0", "false", "no", "n"}:
        return (ScalarField(name, "yes"),)
    # Of two values the first says all: the second would only repeat it.
    return tuple(ScalarField(name, v) for v in (seen if len(seen) > 2 else seen[:1]))
