"""How intensities are brought to network units: one rule a channel, by modality and use."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..data import STD, ScaleRule
from .fingerprint import ChannelSummary, RoleSummary
from .modality import ARBITRARY, HEAVY

APART = 0.5  # of the pooled std: more than that, cases' foreground means lie apart


def given_rule(channel: ChannelSummary, clip: bool = True) -> ScaleRule:
    """Of a channel that is only given. MR: by its own case, unless its files hold 8 bits. Else
    fixed; CT clipped to 0.5-99.5 %.

    clip False: where the target shares the scale and needs the values that clipping would take
    away.
    """
    if channel.modality in ARBITRARY:
        # shift and factor are what a typical case has: used where no scan is there to measure.
        kind = "fixed" if eight_bit(channel) else "case"
        return ScaleRule(
            kind, channel.foreground_mean, positive(channel.foreground_std) / STD, None, None
        )
    if channel.modality in HEAVY and clip:
        return ScaleRule(
            "fixed",
            channel.clipped_mean,
            positive(channel.clipped_std) / STD,
            channel.low,
            channel.high,
        )
    return made_rule(channel)


def made_rule(channel: ChannelSummary) -> ScaleRule:
    """Of a channel that is made: fixed, so that results have file units, and never clipped."""
    return ScaleRule("fixed", channel.mean, positive(channel.std) / STD)


def rules_for(
    roles: dict[str, RoleSummary],
    makes: str,
    follows: bool,
    whole: bool = False,
    complex: bool = False,
) -> dict[str, tuple[ScaleRule, ...]]:
    """Scale rules for the roles image and target, as far as the dataset has them.

    whole: images are scaled by all their voxels, whatever their units (`Task.whole`). complex:
    channels are real and imaginary parts (`Task.complex`).
    """
    found: dict[str, tuple[ScaleRule, ...]] = {}
    image, target = roles.get("image"), roles.get("target")
    if image is not None and complex:
        found["image"] = complex_rules(image.channels)
    elif image is not None:
        made = makes == "image" and not follows
        found["image"] = tuple(
            whole_rule(c) if whole else _own_rule(c) if made else given_rule(c, clip=not follows)
            for c in image.channels
        )
    if target is not None:
        found["target"] = tuple(made_rule(c) for c in target.channels)
        if follows and makes == "target" and image is not None:
            first = found["image"]
            same = len(first) == len(target.channels)
            found["target"] = first if same else first[:1] * len(target.channels)
    return found


def whole_rule(channel: ChannelSummary) -> ScaleRule:
    """Each case by all its voxels. shift and factor are what a typical case has."""
    return ScaleRule("whole", channel.mean, positive(channel.std) / STD)


def complex_rules(channels: Sequence[ChannelSummary]) -> tuple[ScaleRule, ...]:
    """Each case by the root mean square of both parts, which keeps phases. The factor is what a
    typical case has.
    """
    power = sum(c.mean**2 + c.std**2 for c in channels) / len(channels)
    return (ScaleRule("complex", 0.0, positive(math.sqrt(power)) / STD),) * len(channels)


def _own_rule(channel: ChannelSummary) -> ScaleRule:
    """Of a channel that is made from images of its own kind: one scale, unless units are arbitrary
    and the cases are so far apart that most of them would show nothing on it.
    """
    unlike = channel.modality in ARBITRARY and channel.spread > APART
    return given_rule(channel) if unlike else made_rule(channel)


def eight_bit(channel: ChannelSummary) -> bool:
    """Whole numbers from 0 to 255: whoever wrote them has brought the cases to one scale already.

    Measuring each case again would undo that: on slices, the share of fluid would move the scale.
    """
    whole = channel.quantum >= 1 and float(channel.quantum).is_integer()
    return whole and channel.minimum >= 0 and channel.maximum <= 255


def positive(std: float) -> float:
    """A constant channel keeps its units."""
    return std if std > 0 else 1.0
