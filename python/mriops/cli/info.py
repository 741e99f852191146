"""`mriops info`: the installation, or what a raw file holds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mriops.info import main as installation


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 0 when all is well."""
    if arguments.file is None:
        return installation()
    from mriops.cli.recon import file_options  # needs torch, which the report above does not
    from mriops.io import open_raw

    path = Path(arguments.file)
    with open_raw(path, **file_options(arguments)) as file:
        first = file.read(range(1))
        lines = [f"file            {path}", *file.info.describe()]
    lines.append(f"sampling        {100 * first.sampled_fraction():.1f} % of the encoded k-space (first slice)")
    lines.append(f"noise scan      {'none' if first.noise is None else f'{first.noise.shape[1]} samples per coil'}")
    if first.acs is not None:
        lines.append(f"calibration     separate, {first.acs.shape[2:]}")
    elif first.acs_size is not None:
        lines.append(f"calibration     flagged inside the data, {first.acs_size}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
