"""What is decided about configurations one by one, and what their rules ask about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .budget import PlanError, TooSmall
from .cascade_rule import left_open
from .configure import PLAIN, Form, Setting, configure, need_on, structure
from .grids import COVERED, Grid, covered
from .overrides import overridden, own_paths
from .plan import Configuration
from .reasons import Reasons
from .sizing import size, wanted_steps

Inside = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """Whether a configuration applies. hindered: why it cannot be; else `also` gets it all the
    same.
    """

    rule: str
    because: str
    change: str
    applies: bool = True
    hindered: str = ""


@dataclass
class Choosing:
    """What is decided about configurations so far."""

    full: Grid
    s: Setting
    inside: Inside
    also: tuple[str, ...]
    reasons: Reasons
    found: dict[str, Configuration] = field(default_factory=dict)
    refused: list[PlanError] = field(default_factory=list)

    def add(
        self,
        name: str,
        dims: int,
        verdict: Verdict,
        grid: Callable[[], Grid] | None = None,
        form: Callable[[], Form] = lambda: PLAIN,
        s: Setting | None = None,
    ) -> Configuration | None:
        """Plan it where it applies or is asked for; say in any case why or why not.

        PlanError: it is asked for and cannot be, or an override of it is wrong.
        """
        asked, no = name in self.also, self._no(name, verdict)
        if no or not (verdict.applies or asked):
            change = verdict.change if no else f"{verdict.change}; or --set also={name}"
            self.reasons.add(name, "no", verdict.rule, no or verdict.because, change)
            return None
        try:
            made = self._made(name, dims, grid() if grid else self.full, form(), s or self.s)
        except TooSmall as error:
            self._forget(name)
            self.refused.append(error)
            if asked:
                raise
            self.reasons.add(name, "no", "it has to fit the budget", str(error), "a larger budget")
            return None
        self.found[name] = made
        unasked = verdict.applies or not asked
        self.reasons.add(
            name,
            "planned",
            verdict.rule if unasked else "asked for by the user",
            verdict.because,
            verdict.change,
            overridden=not unasked,
        )
        return made

    def _no(self, name: str, verdict: Verdict) -> str:
        if verdict.hindered and name in self.also:
            raise PlanError(f"also={name} cannot be: {verdict.hindered}")
        return verdict.hindered

    def _made(self, name: str, dims: int, grid: Grid, form: Form, s: Setting) -> Configuration:
        """The user's structure first, and the user's other values put in."""
        wanted = {**fitting(self.inside.get("", {}), name, dims), **self.inside.get(name, {})}
        made = configure(name, dims, grid, s, wanted, self.reasons, form)
        return overridden(made, wanted, self.reasons)

    def _forget(self, name: str) -> None:
        for key in [k for k in self.reasons.found if k.startswith(f"{name}.")]:
            del self.reasons.found[key]

    def wish(self, name: str, path: str, ruled: Any) -> Any:
        """A user's value for one configuration, else the rule's."""
        for values in (self.inside.get(name, {}), self.inside.get("", {})):
            if path in values:
                return values[path]
        return ruled


def fitting(wanted: dict[str, Any], name: str, dims: int) -> dict[str, Any]:
    """What is given for all configurations and this one has: a patch of its number of axes, and
    none of the decisions that only others have.
    """
    foreign = set(own_paths("")) - set(own_paths(name))
    return {
        k: v for k, v in wanted.items() if k not in foreign and (k != "patch" or len(v) == dims)
    }


def made_hindrance(s: Setting) -> str:
    """Why codes and cascades, which are for plain images, cannot be; empty where they can."""
    task = s.task
    if task.makes == "label" or task.beside:
        return "label maps are made, which are no plain images"
    if task.purpose != "image":
        return f"recipes for {task.name} work on images themselves"
    return ""


def steps_said(c: Configuration, s: Setting) -> str:
    possible, wanted = _steps(c, s)
    return f"{int(possible)} steps of {c.name} fit in and {wanted} are wanted"


def too_slow(c: Configuration, s: Setting) -> bool:
    """Whether it makes less than half of the steps that it should have."""
    possible, wanted = _steps(c, s)
    return 2 * possible < wanted


def _steps(c: Configuration, s: Setting) -> tuple[float, int]:
    return s.budget.seconds / c.seconds["step"], wanted_steps(s.budget.seconds)


def falls_short(full: Configuration, grid: Grid, s: Setting) -> tuple[bool, str]:
    """Whether a coarser grid is wanted beside the full one, and the numbers."""
    share = covered(full.patch, grid.shape)
    slow = not s.task.given and too_slow(full, s)
    return share < COVERED or slow, (
        f"a full-resolution patch covers {share:.0%} of a median volume; {steps_said(full, s)}"
    )


def shows_enough(grid: Grid, at: Choosing, name: str, dims: int) -> bool:
    """Whether a network on this grid sees a quarter of an image; in generation all, for as long as
    wanted.
    """
    inside, s = at.inside, at.s
    fixed = structure({**fitting(inside.get("", {}), name, dims), **inside.get(name, {})})
    try:
        sized = size(need_on(dims, grid, s, Reasons()), s.budget, fixed)
    except TooSmall:
        return False
    seen = covered(sized.patch, grid.spatial(dims)[1])
    if s.task.given:
        return seen >= COVERED
    return seen == 1 and sized.possible >= sized.wanted


def on_grid(s: Setting, grid: Grid) -> Setting:
    """The same task on a coarser grid, and what the guess leaves open there."""
    task = s.task.on(grid.coarsening)
    if s.guess is None or s.task.name != "super_resolution":
        return replace(s, task=task)
    below = left_open(s.fingerprint, grid.coarsening, s.fingerprint.dims)
    std = tuple(max(v**2 - below**2, (0.2 * v) ** 2) ** 0.5 for v in s.guess.std)
    return replace(s, task=task, guess=replace(s.guess, std=std))
