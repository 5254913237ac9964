"""What the given images say about the target, voxel by voxel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..data import STD, LinearGuess, ScaleRule, features, fit_guess
from .fingerprint import Fit, PairSummary, RoleSummary
from .fingerprint_case import Measured
from .scales import rules_for

Pair = tuple[np.ndarray, np.ndarray]


def pool_pair(roles: dict[str, RoleSummary], measured: Sequence[Measured]) -> PairSummary | None:
    """Correlation, regressions of degree 1 and 2 on both kinds of scale, and misalignment."""
    names = ("samples_image", "samples_target")
    have = [m for m in measured if all(n in m.arrays for n in names)]
    if not have:
        return None
    fits = {}
    for kind, follows in (("own", False), ("follows", True)):
        rules = rules_for(roles, "target", follows)
        pairs = [_scaled(m, rules, follows) for m in have]
        parts = _halves(have)
        fits[kind] = {str(degree): _fit(pairs, parts, degree) for degree in (1, 2)}
    own = rules_for(roles, "target", False)
    offsets = [float(np.linalg.norm(m.case.offset or (0, 0, 0))) for m in have]
    worst = int(np.argmax(offsets))
    return PairSummary(
        correlation=_correlation([_scaled(m, own, False) for m in have], have),
        own=fits["own"],
        follows=fits["follows"],
        offset=float(np.median(offsets)),
        worst=offsets[worst],
        worst_case=have[worst].case.case,
    )


def _scaled(m: Measured, rules: dict[str, tuple[ScaleRule, ...]], follows: bool) -> Pair:
    """The sampled voxels of one case in network units: given (C, n), target (K, n)."""
    given = np.stack(
        [
            _apply(rule, x, measure.foreground_mean, measure.foreground_std)
            for rule, x, measure in zip(
                rules["image"], m.arrays["samples_image"], m.case.roles["image"], strict=True
            )
        ]
    )
    raw = m.arrays["samples_target"]
    source = m.case.roles["image"] if follows else m.case.roles["target"]
    source = source if len(source) == len(raw) else source[:1] * len(raw)
    target = np.stack(
        [
            _apply(rule, x, measure.foreground_mean, measure.foreground_std)
            for rule, x, measure in zip(rules["target"], raw, source, strict=True)
        ]
    )
    return given, target


def _apply(rule: ScaleRule, x: np.ndarray, mean: float, std: float) -> np.ndarray:
    x = np.clip(x, rule.low, rule.high) if (rule.low, rule.high) != (None, None) else x
    if rule.kind == "case":
        return (x - mean) / ((std or 1.0) / STD)
    return (x - rule.shift) / rule.factor


def _halves(have: Sequence[Measured]) -> np.ndarray:
    """0 or 1 for each case; a group stays in one half. One group alone is split by case."""
    groups = sorted({m.case.group for m in have})
    if len(groups) < 2:
        return np.arange(len(have)) % 2
    part = {g: i % 2 for i, g in enumerate(groups)}
    return np.asarray([part[m.case.group] for m in have])


def _fit(pairs: Sequence[Pair], parts: np.ndarray, degree: int) -> Fit:
    """The guess from all cases; and what guesses from each half explain of the other half."""
    guess = fit_guess(pairs, degree)
    if len(pairs) < 2:  # one case: halves of its voxels
        g, t = pairs[0]
        pairs = [(g[:, ::2], t[:, ::2]), (g[:, 1::2], t[:, 1::2])]
        parts = np.asarray([0, 1])
    scores = []
    for part in (0, 1):
        seen = [p for p, k in zip(pairs, parts, strict=True) if k != part]
        unseen = [p for p, k in zip(pairs, parts, strict=True) if k == part]
        if seen and unseen:
            scores.append(explained_by(fit_guess(seen, degree), unseen))
    held_out = np.mean(scores, 0) if scores else np.asarray(guess.explained)
    return Fit(guess, tuple(float(v) for v in held_out))


def explained_by(guess: LinearGuess, pairs: Sequence[Pair]) -> np.ndarray:
    """Share of the target's variance per channel that the guess explains on these pairs."""
    target = np.concatenate([t for _, t in pairs], 1)
    weights, bias = np.asarray(guess.weights), np.asarray(guess.bias)[:, None]
    made = np.concatenate([weights @ features(g, guess.degree) + bias for g, _ in pairs], 1)
    return 1 - ((target - made) ** 2).mean(1) / np.maximum(target.var(1), 1e-12)


def _correlation(pairs: Sequence[Pair], have: Sequence[Measured]) -> tuple[tuple[float, ...], ...]:
    def inside() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for (given, target), m in zip(pairs, have, strict=True):
            mask = m.arrays["inside"]
            mask = mask if mask.any() else np.ones_like(mask)
            yield given[:, mask], target[:, mask]

    both = list(inside())
    given, target = (np.concatenate([p[k] for p in both], 1) for k in (0, 1))
    given, target = (x - x.mean(1, keepdims=True) for x in (given, target))
    norms = np.linalg.norm(target, axis=1)[:, None] * np.linalg.norm(given, axis=1)[None]
    table = target @ given.T / np.maximum(norms, 1e-12)
    return tuple(tuple(float(v) for v in row) for row in table)
