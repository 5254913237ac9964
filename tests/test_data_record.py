"""Records come back from JSON as they were; files are written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from diffnet.data import Record, RecordError, read_json, write_json, written_whole


@dataclass(frozen=True)
class Inner(Record):
    name: str
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer(Record):
    count: int
    pair: tuple[int, str]
    inner: Inner
    many: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = field(default_factory=dict)
    maybe: float | None = None
    yes: bool = False


FULL = Outer(3, (1, "x"), Inner("ä", (1.0, 2.5)), (Inner("a"), Inner("b")), {"k": Inner("c")}, 0.5)


def test_round_trip(tmp_path) -> None:
    FULL.save(tmp_path / "deep" / "a.json")
    assert Outer.load(tmp_path / "deep" / "a.json") == FULL
    assert "ä" in (tmp_path / "deep" / "a.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": "3"}, r"Outer\.count: expected int, found '3'"),
        ({"cuont": 3}, "unknown keys.*cuont"),
        ({"inner": None}, r"inner: expected an object, found None"),
        ({"inner": {"values": []}}, r"inner.*missing keys.*name"),
        ({"pair": [1]}, "expected 2 values, found 1"),
        ({"many": {"name": "a"}}, "expected a list"),
        ({"by_name": {"k": {"name": 3}}}, r"by_name\.k\.name: expected str"),
        ({"by_name": []}, "expected an object"),
        ({"maybe": "x"}, r"maybe: expected float"),
        ({"yes": 1}, r"yes: expected bool"),
    ],
)
def test_what_does_not_fit_is_named(change, words) -> None:
    with pytest.raises(RecordError, match=words):
        Outer.from_json(FULL.to_json() | change)


def test_integers_pass_for_floats_and_none_where_it_may_be() -> None:
    made = Outer.from_json(FULL.to_json() | {"maybe": 2})
    assert made.maybe == 2.0
    assert isinstance(made.maybe, float)
    assert Outer.from_json(FULL.to_json() | {"maybe": None}).maybe is None
    assert Inner.from_json({"name": "x"}) == Inner("x")


def test_a_file_that_is_no_json(tmp_path) -> None:
    (tmp_path / "a.json").write_text('{"count": 3,\n}')
    with pytest.raises(RecordError, match=r"a\.json is not valid JSON: .*line 2"):
        Outer.load(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordError, match="not valid JSON"):
        read_json(tmp_path / "a.json")


def test_a_failed_write_keeps_the_old_file(tmp_path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"), written_whole(path) as temporary:
        fail(temporary)
    assert read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_the_temporary_name_is_hidden_and_keeps_the_ending(tmp_path) -> None:
    with written_whole(tmp_path / "new" / "a.b.nii.gz") as temporary:
        assert temporary.parent == tmp_path / "new"
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".nii.gz")
        temporary.write_text("x")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.b.nii.gz"]
