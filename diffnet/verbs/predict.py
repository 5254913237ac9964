"""The verb that turns new scans into results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .progress import progress

if TYPE_CHECKING:
    from ..workflow.ledger import Predictions
    from ..workflow.run import Run


def predict(
    run: Path,
    *,
    out: Path,
    scans: Path | None = None,
    output: Literal["mean", "sample", "samples"] | None = None,
    samples: int | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    device: str = "auto",
    overlap: float = 0.5,
    simulate: bool = False,
    masks: Path | None = None,
    cases: int | None = None,
    labels: list[str] | None = None,
    conditions: list[str] | None = None,
    rows: Path | None = None,
    guidance: float | None = None,
    guidance_interval: tuple[float, float] | None = None,
    trust_range: bool = False,
) -> Predictions:
    """Make results for new scans, each on the scan's own grid, in its units and format.

    Scans are named as in a dataset: CASE_0000.ext, CASE_0001.ext for the channels, or CASE.ext.
    The same command again continues. Generation takes no scans: say how many images with --cases.

    run: the run folder that training left; a copy of it elsewhere serves as well. out: folder for
    the results, with summary.json. scans: folder with scans, one scan, or a dataset folder, whose
    test cases are then predicted; for generation from label maps, these. output: mean (the expected
    image), sample (one plausible image) or samples (several, with their mean in the folder and
    standard deviation in std/); default as planned. samples: how many; default as planned, else 8.
    steps: network calls of one sample; default as planned. sampler: how noise becomes an image;
    default as planned. seed: of the noise; each case has its own. device: auto, cpu, cuda, mps.
    overlap: share of a window that its neighbour covers, where a scan does not fit in memory whole.
    simulate: scans are complete; make of them what the task is given (coarse, noisy, with holes).
    masks: folder with a mask for each scan, not 0 inside the holes to inpaint. cases: how many
    images to generate. labels: classes to generate; default all in turn. conditions: of what is
    generated, as column=value; what is not said is left open. rows: a csv with one row for every
    image to generate and a column for each condition. guidance: how much stronger conditions act, 1
    is as learned. guidance_interval: the lowest and highest noise level where it acts. trust_range:
    predict although intensities look like another unit.

    Example:
        diffnet predict runs/2d-edm -i scans -o results --output samples --samples 4
        diffnet predict runs/2d-edm -o made --cases 16 --labels Hand --labels HeadCT
        diffnet predict runs/2d-edm -o made --cases 8 --condition age=63 --condition class=benign
    """
    from ..workflow.run import Run

    opened = Run.open(Path(run))
    how = {"steps": steps, "sampler": sampler, "seed": seed, "device": device, "overlap": overlap}
    if opened.task.steers and scans is not None:
        _refuse_scans(None, masks, simulate, output, samples)
        asked_for = {"conditions": conditions or (), "guidance": guidance}
        return _from_maps(opened, Path(scans), Path(out), asked_for, guidance_interval, how)
    if cases is not None or rows is not None or not (scans or opened.task.scanned):
        _refuse_scans(scans, masks, simulate, output, samples)
        asked_for = {"labels": labels or (), "conditions": conditions or (), "rows": rows}
        asked_for |= {"guidance": guidance, "interval": guidance_interval}
        return _generated(opened, Path(out), cases, asked_for, how)
    _refuse_wishes(labels, conditions, guidance)
    how |= {"output": output, "samples": samples, "simulate": simulate, "trust_range": trust_range}
    return _predicted(opened, Path(out), scans, masks, how)


def _generated(
    run: Run, out: Path, cases: int | None, asked_for: dict[str, Any], how: dict[str, Any]
) -> Predictions:
    from ..workflow.generate import generate
    from ..workflow.guided import asked

    guidance = asked(asked_for.pop("guidance"), asked_for.pop("interval"))
    with progress("generate", "image") as move:
        return generate(run, out, cases, **asked_for, guidance=guidance, progress=move, **how)


def _from_maps(
    run: Run,
    maps: Path,
    out: Path,
    asked_for: dict[str, Any],
    interval: tuple[float, float] | None,
    how: dict[str, Any],
) -> Predictions:
    from ..workflow.from_maps import generate_from_maps
    from ..workflow.guided import asked

    guidance = asked(asked_for.pop("guidance"), interval)
    found = _maps(run, maps)
    with progress("generate", "image") as move:
        return generate_from_maps(
            run, found, out, **asked_for, guidance=guidance, progress=move, **how
        )


def _maps(run: Run, folder: Path) -> dict[str, Path]:
    """case -> label map: of a folder, a file, or a dataset's test (else its training) cases."""
    from ..data import Dataset, UserError, find_scans

    if not (folder / "dataset.json").is_file():
        return {c: p[0] for c, p in find_scans(folder, run.plan.file_ending, 1).items()}
    opened = Dataset.open(folder)
    for split in ("test", "train"):
        found = {c.id: c.files["label"][0] for c in opened.cases(split) if "label" in c.files}
        if found:
            return found
    raise UserError(f"the dataset {folder} has no label maps: name a folder with label maps")


def _predicted(
    run: Run, out: Path, scans: Path | None, masks: Path | None, how: dict[str, Any]
) -> Predictions:
    from ..workflow.predict import predict as on_scans

    found = _found(run, scans)
    holes = None if masks is None else _masks(run, masks)
    with progress("predict") as move:
        return on_scans(run, found, out, masks=holes, progress=move, **how)


def _found(run: Run, scans: Path | None) -> dict[str, tuple[Path, ...]]:
    """case -> files: of a folder, a file, or a dataset's test cases."""
    from ..data import Dataset, UserError, find_scans

    if scans is None:
        raise UserError(f"the run {run.folder} needs scans: give their folder with -i")
    folder = Path(scans)
    if not (folder / "dataset.json").is_file():
        return find_scans(folder, run.plan.file_ending, len(run.plan.channels))
    test = [c for c in Dataset.open(folder).cases("test") if "image" in c.files]
    if not test:
        raise UserError(
            f"the dataset {folder} has no test cases (imagesTs): name a folder with scans"
        )
    return {c.id: c.files["image"] for c in test}


def _masks(run: Run, folder: Path) -> dict[str, Path]:
    from ..data import find_scans

    return {c: p[0] for c, p in find_scans(Path(folder), run.plan.file_ending, 1).items()}


def _refuse_scans(
    scans: Path | None,
    masks: Path | None,
    simulate: bool,
    output: str | None,
    samples: int | None,
) -> None:
    """UserError: generation was mixed with what belongs to scans."""
    from ..data import UserError

    given = {
        "-i": scans is not None,
        "--masks": masks is not None,
        "--simulate": simulate,
        "--output": output not in (None, "sample"),
        "--samples": samples is not None,
    }
    wrong = [flag for flag, there in given.items() if there]
    if wrong:
        raise UserError(f"--cases generates images out of nothing: leave out {', '.join(wrong)}")


def _refuse_wishes(
    labels: list[str] | None, conditions: list[str] | None, guidance: float | None
) -> None:
    from ..data import UserError

    given = {"--labels": labels, "--condition": conditions, "--guidance": guidance}
    wrong = [flag for flag, value in given.items() if value]
    if wrong:
        raise UserError(f"{wrong[0]} is for generation, with --cases; these are scans")
