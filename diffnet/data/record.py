"""Frozen dataclasses that live on disk as JSON which people read, diff and edit."""

from __future__ import annotations

import dataclasses
import json
import os
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self


class UserError(ValueError):
    """Something the user can put right; the command line prints the sentence and no traceback."""


class RecordError(UserError):
    """A file that does not hold what it should; the message says which key and what should be."""


class Record:
    """Mixin for frozen dataclasses: `save` and `load` as JSON, nested records included."""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: Any, where: str = "") -> Self:
        """Rebuild from parsed JSON. RecordError: a missing or unknown key, or another type."""
        where = where or cls.__name__
        if not isinstance(data, dict):
            raise RecordError(f"{where}: expected an object, found {data!r:.80}")
        hints = typing.get_type_hints(cls)
        known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(data) - set(known))
        required = [
            n
            for n, f in known.items()
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        missing = [n for n in required if n not in data]
        if unknown or missing:
            raise RecordError(f"{where}: unknown keys {unknown}, missing keys {missing}")
        return cls(**{k: _read(v, hints[k], f"{where}.{k}") for k, v in data.items()})

    def save(self, path: Path) -> None:
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls.from_json(read_json(path), str(path))


def _read(value: Any, hint: Any, where: str) -> Any:
    """`value` as `hint` wants it: lists become tuples, objects become records."""
    if hint is Any:
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _read(value, next(a for a in arguments if a is not type(None)), where)
    if dataclasses.is_dataclass(hint):
        return hint.from_json(value, where)  # type: ignore[union-attr]
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise RecordError(f"{where}: expected a list, found {value!r:.80}")
        kinds = [arguments[0]] * len(value) if arguments[-1:] == (Ellipsis,) else arguments
        if len(kinds) != len(value):
            raise RecordError(f"{where}: expected {len(kinds)} values, found {len(value)}")
        return tuple(_read(v, k, where) for v, k in zip(value, kinds, strict=True))
    if origin is dict:
        if not isinstance(value, dict):
            raise RecordError(f"{where}: expected an object, found {value!r:.80}")
        return {k: _read(v, arguments[1], f"{where}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and not isinstance(value, hint):
        raise RecordError(f"{where}: expected {hint.__name__}, found {value!r:.80}")
    return value


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that is renamed to it on success and removed on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part{''.join(path.suffixes)}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Parsed JSON. RecordError: the file is not JSON, with line and column."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} is not valid JSON: {error}") from error
