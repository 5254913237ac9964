"""Which kind of image a channel holds: as declared, else as its name and values suggest."""

from __future__ import annotations

import re

NAMES = {
    "MR": r"\b(t1\w*|t2\w*|flair|mri?|pd|dwi|adc|swi|cine|bold|asl|tof|mprage|dir|t1post)\b",
    "CT": r"\b(ct|cbct|hu|hounsfield)\b",
    "PET": r"\b(pet|suv|fdg|spect)\b",
    "US": r"\b(us|ultrasound|echo|sonograph\w*)\b",
    "XR": r"\b(xr|x-?ray|radiograph\w*|cxr|dr|mammogra\w*)\b",
    "OCT": r"\b(oct)\b",
    "RGB": r"^(r|g|b|red|green|blue)$",
}
KNOWN = (*NAMES, "MICROSCOPY", "OT")
ARBITRARY = ("MR",)  # units differ from scan to scan: a given channel is scaled by its own case
HEAVY = ("CT",)  # metal and table top: a given channel is clipped to its percentiles


def modality_of(
    name: str, declared: str | None, ct_like: bool, dtype: str, dims: int
) -> tuple[str, bool, str]:
    """(modality, declared?, why). Unknown declared names are kept as they are and treated as OT."""
    if declared:
        return declared.upper(), True, "declared in dataset.json"
    text = name.strip().lower().replace("_", " ")
    for modality, pattern in NAMES.items():
        if re.search(pattern, text):
            return modality, False, f'the channel is called "{name}"'
    if ct_like:
        return "CT", False, "values reach below -500, as only CT numbers do"
    if dtype == "uint8" and dims == 2:
        return "OT", False, "8-bit 2-D images of no known name: taken for pictures with fixed units"
    return "MR", False, f'"{name}" and the values say nothing: taken for arbitrary units, as in MR'
