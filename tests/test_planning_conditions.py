"""Which columns of cases.csv steer what is made, and what is measured on them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from diffnet.data import MetadataField
from diffnet.planning import PlanError
from diffnet.planning.condition_rule import plan_forgetting, plan_scalars, plan_text
from diffnet.planning.fingerprint_content import numbers_of, words_of_texts
from diffnet.planning.reasons import Reasons
from diffnet.tasks import TASKS

GENERATION, TRANSLATION = TASKS["generation"](), TASKS["translation"]()


def measured(**changes) -> SimpleNamespace:
    """What the rules read of a fingerprint of 40 cases."""
    settings = {
        "cases": (None,) * 40,
        "numbers": {"age": (40, 50.0, 10.0, 20.0, 80.0), "rare": (5, 1.0, 1.0, 0.0, 2.0)},
        "categories": {
            "class": {"a": 20, "b": 20},
            "sex": {"female": 18, "male": 20},
            "site": {"x": 10, "y": 10, "z": 20},
            "alive": {"1": 15, "0": 25},
            "seldom": {"p": 6, "q": 6},
            "single": {"only": 40},
        },
        "words": {"note": ("left", "right"), "licence": ("cc", "by")},
    }
    return SimpleNamespace(**{**settings, **changes})


def names(fields) -> list[tuple[str, str | None]]:
    return [(f.name, f.value) for f in fields]


def test_columns_that_most_cases_have_steer_generation() -> None:
    reasons = Reasons()
    found = plan_scalars(measured(), GENERATION, "class", None, reasons)
    assert names(found) == [
        ("age", None),
        ("sex", "female"),
        ("site", "x"),
        ("site", "y"),
        ("site", "z"),
        ("alive", "yes"),
    ]
    assert (found[0].shift, found[0].factor, found[0].low, found[0].high) == (50, 10, 20, 80)
    assert reasons.found["scalars"].value == "age, sex, site, alive"
    assert plan_scalars(measured(), TRANSLATION, None, None, Reasons()) == ()


def test_a_user_chooses_columns() -> None:
    assert names(plan_scalars(measured(), GENERATION, "class", "age", Reasons())) == [("age", None)]
    assert names(plan_scalars(measured(), GENERATION, "class", "seldom", Reasons())) == [
        ("seldom", "p")
    ]
    assert plan_scalars(measured(), GENERATION, "class", "none", Reasons()) == ()
    with pytest.raises(PlanError, match="age"):
        plan_scalars(measured(), GENERATION, "class", "agee", Reasons())
    with pytest.raises(PlanError, match="translation"):
        plan_scalars(measured(), TRANSLATION, None, "age", Reasons())


def test_text_is_taken_from_a_column_called_so() -> None:
    assert plan_text(measured(), GENERATION, None, Reasons()).words == ("left", "right")
    assert plan_text(measured(), GENERATION, "licence", Reasons()).name == "licence"
    assert plan_text(measured(), GENERATION, "none", Reasons()) is None
    assert plan_text(measured(words={"licence": ("cc",)}), GENERATION, None, Reasons()) is None
    with pytest.raises(PlanError, match="note"):
        plan_text(measured(), GENERATION, "notes", Reasons())


def test_forgetting_goes_with_conditions() -> None:
    assert plan_forgetting(False, Reasons()) == 0
    assert 0 < plan_forgetting(True, Reasons()) < 1


def test_columns_are_measured() -> None:
    dataset = SimpleNamespace(
        metadata={
            "age": MetadataField("number"),
            "note": MetadataField("text"),
            "empty": MetadataField("number"),
        }
    )
    rows = [
        {"age": "10", "note": "Left opacity, left."},
        {"age": "30", "note": "opacity on the right"},
        {"age": "", "note": ""},
        {"age": "unknown"},
    ]
    cases = [SimpleNamespace(fields=row) for row in rows]
    assert numbers_of(dataset, cases) == {"age": (2, 20.0, 10.0, 10.0, 30.0)}
    assert words_of_texts(dataset, cases) == {"note": ("left", "opacity")}
