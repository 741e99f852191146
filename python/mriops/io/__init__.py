"""Files in and out (floor F6): scanner and exchange formats to `RawData`, images to NIfTI, npz and PNG.

May import numpy and the floors below; every file library (h5py, ismrmrd, nibabel, twixtools) is imported when a
format first needs it, with a message that names the extra to install. Nothing here imports torch.
"""

from mriops.io.atomic import atomic_path
from mriops.io.cfl import read_cfl, write_bart, write_cfl
from mriops.io.image import PlacedImage, read_image, write_image
from mriops.io.mrd_write import write_ismrmrd
from mriops.io.nifti import write_nifti
from mriops.io.npz import write_npz
from mriops.io.oversampling import crop_centre, remove_oversampling
from mriops.io.png import write_png
from mriops.io.raw_data import RawData, ScanInfo, find_sampling
from mriops.io.source import FORMATS, RawFile, open_raw, read

__all__ = [
    "FORMATS",
    "PlacedImage",
    "RawData",
    "RawFile",
    "ScanInfo",
    "atomic_path",
    "crop_centre",
    "find_sampling",
    "open_raw",
    "read",
    "read_cfl",
    "read_image",
    "remove_oversampling",
    "write_bart",
    "write_cfl",
    "write_image",
    "write_ismrmrd",
    "write_nifti",
    "write_npz",
    "write_png",
]
