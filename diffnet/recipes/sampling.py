"""The sampler that the plan names."""

from __future__ import annotations

from ..data import UserError
from ..diffusion import GRIDS, SAMPLERS, Sampler
from ..planning import Configuration


def planned_sampler(c: Configuration) -> Sampler:
    """UserError: the plan names a sampler or a grid that is not there."""
    plan = c.sampling
    for name, table, kind in ((plan.sampler, SAMPLERS, "sampler"), (plan.grid, GRIDS, "grid")):
        if name not in table:
            raise UserError(f"the plan asks for the {kind} {name!r}; there are {', '.join(table)}")
    return SAMPLERS[plan.sampler](steps=plan.steps, grid=GRIDS[plan.grid]())
