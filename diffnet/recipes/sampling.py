"""The sampler that the plan names."""

from __future__ import annotations

from ..data import UserError
from ..diffusion import GRIDS, SAMPLERS, SOLVERS, Sampler
from ..planning import Configuration


def planned_sampler(c: Configuration) -> Sampler:
    """UserError: the plan names a sampler or a grid that is not there."""
    plan = c.sampling
    samplers = SAMPLERS | SOLVERS
    for name, table, kind in ((plan.sampler, samplers, "sampler"), (plan.grid, GRIDS, "grid")):
        if name not in table:
            raise UserError(f"the plan asks for the {kind} {name!r}; there are {', '.join(table)}")
    return samplers[plan.sampler](steps=plan.steps, grid=GRIDS[plan.grid]())
