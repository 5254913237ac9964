"""What was decided for a dataset: written once by the planner, read by every later stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..data import LinearGuess, Record, ScaleRule
from .conditions import ScalarField, TextField

VERSION = 1


@dataclass(frozen=True)
class NetworkPlan(Record):
    """A U-Net, stage by stage. Spatial tuples have `dims` entries; stage 0 has stride 1.

    attention: self-attention after the blocks of that stage. blocks: residual blocks a stage.
    """

    widths: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]
    attention: tuple[bool, ...]
    blocks: int = 2
    dropout: float = 0.0
    checkpointing: bool = False


@dataclass(frozen=True)
class NoisePlan(Record):
    """Noise levels in normalised intensity units (data std about 0.5).

    std: per target channel, of the data or of what the voxel-wise guess leaves open. level_mean and
    level_std: of ln r in training. blank: share of training examples that see no x_t at all. even:
    share of them whose ln r is uniform between both ends.
    """

    sigma_min: float
    sigma_max: float
    level_mean: float
    level_std: float
    std: tuple[float, ...]
    blank: float = 0.0
    even: float = 0.0


@dataclass(frozen=True)
class TrainingPlan(Record):
    """ema: relative widths of the power-function averages; augment: names of augmentations.
    forget: share of examples that are not told their conditions.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int
    ema: tuple[float, ...] = (0.05, 0.1)
    clip: float = 1.0
    precision: str = "fp32"
    augment: tuple[str, ...] = ()
    forget: float = 0.0


@dataclass(frozen=True)
class SamplingPlan(Record):
    """output: mean (one call), sample, or samples (K draws, their mean and std)."""

    output: str
    sampler: str
    grid: str
    steps: int
    samples: int = 1


@dataclass(frozen=True)
class CodePlan(Record):
    """The space that diffusion works in, where that is not the images' own.

    kind: wavelet, or the recipe of the first stage. factor: voxels of an image for one of its code,
    by axis of the network. channels: of a code; given: of what is given, shown beside it.
    first_stage: the configuration that trains it, none for wavelets. otherwise: the configuration
    to train where the first stage does not give images back well enough.
    """

    kind: str
    factor: tuple[int, ...]
    channels: int
    given: int = 0
    first_stage: str = ""
    otherwise: str = ""


@dataclass(frozen=True)
class CascadePlan(Record):
    """What the network refines: images of the configuration `previous`, brought onto its own grid.

    grid: of that one, where its preprocessed cases lie. noise: training adds white noise of a
    standard deviation up to this to the coarse image and tells the network how much it was;
    prediction adds half of it.
    """

    previous: str
    grid: str
    noise: float


@dataclass(frozen=True)
class Configuration(Record):
    """One way to serve the plan. Spatial values are in network axis order, coarsest axis first.

    dims: of the network. transpose: file axes (z, y, x) in network order. spacing, shape: of
    volumes on the target grid, three entries always (2-D data has shape 1 and spacing 1 first).
    patch: `dims` entries. image_channels: what the network sees beside x_t. kind: what is made,
    "image" or "label" (one-hot). memory: bytes by part, seconds: of a training step, the training,
    and a call of the network for a patch, as the planner estimates them. slab: slices of what is
    given that a 2-D network sees, its own in the middle. coarsening: voxels of the finest grid for
    one of this, by axis. recipe: that is taken where none is named; empty is the task's own. share:
    of the time, where it is trained together with what it builds on. text_width: of the vectors of
    a pretrained text encoder, where one reads the text; words are then not looked up.

    With a code, patch and shape are the images' and network and noise levels the code's.
    """

    name: str
    dims: int
    grid: str
    transpose: tuple[int, int, int]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]
    patch: tuple[int, ...]
    target_channels: int
    image_channels: int
    classes: int
    network: NetworkPlan
    noise: NoisePlan
    training: TrainingPlan
    sampling: SamplingPlan
    memory: dict[str, float] = field(default_factory=dict)
    kind: str = "image"
    seconds: dict[str, float] = field(default_factory=dict)
    scalars: int = 0
    words: int = 0
    text_width: int = 0
    slab: int = 1
    coarsening: tuple[float, float, float] = (1.0, 1.0, 1.0)
    code: CodePlan | None = None
    cascade: CascadePlan | None = None
    recipe: str = ""
    share: float = 1.0

    @property
    def previous(self) -> str:
        """The configuration whose trained run this one needs; empty where it needs none."""
        if self.cascade is not None:
            return self.cascade.previous
        return "" if self.code is None else self.code.first_stage

    @property
    def code_patch(self) -> tuple[int, ...]:
        """The patch as the network sees it."""
        if self.code is None:
            return self.patch
        return tuple(-(-n // f) for n, f in zip(self.patch, self.code.factor, strict=True))

    @property
    def shown(self) -> tuple[int, int]:
        """Channels that the network takes in, x_t's and those beside it, and that it gives out."""
        if self.code is None:
            return self.target_channels + self.image_channels, self.target_channels
        return self.code.channels + self.code.given, self.code.channels


@dataclass(frozen=True)
class Why(Record):
    """One decision: its value, the rule, the numbers used, and what would change it."""

    value: str
    rule: str
    because: str
    change: str = ""
    overridden: bool = False


@dataclass(frozen=True)
class Plan(Record):
    """scales: one rule a channel for the roles image and target. labels: name -> file value.

    roles: that the task reads; follows: as in Task; both are here so that preprocessing need not
    load the task. class_field: the metadata column that conditions, with its values in index
    order. scalars, text: further columns that condition. why: decision -> Why; keys of a
    configuration's own decisions are prefixed "2d.".
    """

    dataset: str
    fingerprint: str
    task: str
    task_settings: dict[str, Any]
    dims: int
    channels: tuple[str, ...]
    targets: tuple[str, ...]
    labels: dict[str, int]
    scales: dict[str, tuple[ScaleRule, ...]]
    guess: LinearGuess | None
    class_field: str | None
    class_values: tuple[str, ...]
    configurations: dict[str, Configuration]
    default: str
    why: dict[str, Why]
    file_ending: str
    budget: dict[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    follows: bool = False
    scalars: tuple[ScalarField, ...] = ()
    text: TextField | None = None
    version: int = VERSION
