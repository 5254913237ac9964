"""The shelf of methods."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
from pathlib import Path

from ..data import UserError
from .ae_kl import AeKl
from .anoddpm import AnoDDPM
from .auto_ddpm import AutoDDPM
from .blurred_residual import BlurredResidual
from .brain_ldm import BrainLDM
from .ccdf import CCDF
from .cdpm import CDPM
from .csgm import CSGM
from .cwdm import CWDM
from .dae import DAE
from .daps import DAPS
from .ddm2 import DDM2
from .ddnm import DDNM
from .ddpm import DDPM
from .ddpm_ood import DDPMOOD
from .ddrm import DDRM
from .dds import DDS
from .diff_infinite import DiffInfinite
from .diffpir import DiffPIR
from .diffpure import DiffPure
from .diffuse_fusion import DiffuseFusion
from .diffuse_recon import DiffuseRecon
from .diffusion_anomaly import DiffusionAnomaly
from .dit import DiffusionTransformer
from .dps import DPS
from .edm import EDM
from .flow import Flow
from .intensity_threshold import IntensityThreshold
from .latent import WAVELET, Latent
from .maisi import MAISI
from .mcg import MCG
from .mddpm import MDDPM
from .med_ddpm import MedDDPM
from .medfusion import Medfusion
from .medical_diffusion import MedicalDiffusion
from .mfdpm import MFDPM
from .mmps import MMPS
from .oct_ddpm import OctDDPM
from .one_pass import OnePass
from .patch_ddpm import PatchDDPM
from .pca_residual import PcaResidual
from .pddpm import PDDPM
from .pet_ddpm import PetDDPM
from .pigdm import PiGDM
from .pnpdm import PnPDM
from .r2d2plus import R2D2Plus
from .recipe import Recipe
from .red_diff import REDDiff
from .regression import Regression
from .repaint import RePaint
from .roentgen import RoentGen
from .sampling import planned_sampler
from .score_mri import ScoreMRI
from .sdedit import SDEdit
from .sdm import SDM
from .solving import Solved, SolverRecipe
from .song import Song
from .ultrasound_ddpm import UltrasoundDDPM
from .vq import Vq
from .wdm import WDM

RECIPES: dict[str, type[Recipe]] = {
    "edm": EDM,
    "ddpm": DDPM,
    "flow": Flow,
    "regression": Regression,
    "one_pass": OnePass,
    "anoddpm": AnoDDPM,
    "dae": DAE,
    "pddpm": PDDPM,
    "mddpm": MDDPM,
    "auto_ddpm": AutoDDPM,
    "cdpm": CDPM,
    "diffusion_anomaly": DiffusionAnomaly,
    "diffuse_fusion": DiffuseFusion,
    "intensity_threshold": IntensityThreshold,
    "blurred_residual": BlurredResidual,
    "pca_residual": PcaResidual,
    "ddpm_ood": DDPMOOD,
    "diffpure": DiffPure,
    "sdedit": SDEdit,
    "ddm2": DDM2,
    "oct_ddpm": OctDDPM,
    "ultrasound_ddpm": UltrasoundDDPM,
    "wdm": WDM,
    "cwdm": CWDM,
    "latent": Latent,
    "med_ddpm": MedDDPM,
    "sdm": SDM,
    "medfusion": Medfusion,
    "mfdpm": MFDPM,
    "brain_ldm": BrainLDM,
    "dit": DiffusionTransformer,
    "medical_diffusion": MedicalDiffusion,
    "roentgen": RoentGen,
    "maisi": MAISI,
    "patch_ddpm": PatchDDPM,
    "diff_infinite": DiffInfinite,
    "ae_kl": AeKl,
    "vq": Vq,
    "pet_ddpm": PetDDPM,
    "r2d2plus": R2D2Plus,
    "daps": DAPS,
    "dds": DDS,
    "diffpir": DiffPIR,
    "dps": DPS,
    "mcg": MCG,
    "pigdm": PiGDM,
    "mmps": MMPS,
    "ddnm": DDNM,
    "ddrm": DDRM,
    "score_mri": ScoreMRI,
    "song": Song,
    "diffuse_recon": DiffuseRecon,
    "repaint": RePaint,
    "ccdf": CCDF,
    "csgm": CSGM,
    "pnpdm": PnPDM,
    "red_diff": REDDiff,
}


def find_recipe(name: str) -> type[Recipe]:
    """A recipe by its name on the shelf, or `file.py:Class` for one of the user's own.

    UserError: there is no such recipe; the message names the nearest.
    """
    if ":" in name:
        return _own(*name.rsplit(":", 1))
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UserError(f"no recipe is called {name!r}.{hint} There are: {', '.join(RECIPES)}")


def _own(file: str, name: str) -> type[Recipe]:
    path = Path(file)
    if not path.is_file():
        raise UserError(f"recipe {file}:{name}: there is no file {path.resolve()}")
    spec = importlib.util.spec_from_file_location(f"own_recipe_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = {
        n: c
        for n, c in inspect.getmembers(module, inspect.isclass)
        if issubclass(c, Recipe) and not inspect.isabstract(c)
    }
    if name not in found:
        raise UserError(f"recipe {file}:{name}: that file has the recipes {sorted(found)}")
    return found[name]


__all__ = [
    "CCDF",
    "CDPM",
    "CSGM",
    "CWDM",
    "DAE",
    "DAPS",
    "DDM2",
    "DDNM",
    "DDPM",
    "DDPMOOD",
    "DDRM",
    "DDS",
    "DPS",
    "EDM",
    "MAISI",
    "MCG",
    "MDDPM",
    "MFDPM",
    "MMPS",
    "PDDPM",
    "RECIPES",
    "SDM",
    "WAVELET",
    "WDM",
    "AeKl",
    "AnoDDPM",
    "AutoDDPM",
    "BlurredResidual",
    "BrainLDM",
    "DiffInfinite",
    "DiffPIR",
    "DiffPure",
    "DiffuseFusion",
    "DiffuseRecon",
    "DiffusionAnomaly",
    "DiffusionTransformer",
    "Flow",
    "IntensityThreshold",
    "Latent",
    "MedDDPM",
    "Medfusion",
    "MedicalDiffusion",
    "OctDDPM",
    "OnePass",
    "PatchDDPM",
    "PcaResidual",
    "PetDDPM",
    "PiGDM",
    "PnPDM",
    "R2D2Plus",
    "REDDiff",
    "RePaint",
    "Recipe",
    "Regression",
    "RoentGen",
    "SDEdit",
    "ScoreMRI",
    "Solved",
    "SolverRecipe",
    "Song",
    "UltrasoundDDPM",
    "Vq",
    "find_recipe",
    "planned_sampler",
]
