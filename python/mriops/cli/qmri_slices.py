"""Slices are fitted one by one and kept, each as one array, so that finished ones outlive an interruption."""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mriops.cli.job import Job
from mriops.cli.progress import progress
from mriops.signals import FitResult, SignalOp, fit

__all__ = ["fit_slices"]


def fit_slices(
    arguments: argparse.Namespace,
    op: SignalOp,
    images: np.ndarray,
    mask: np.ndarray,
    fixed: dict[str, np.ndarray],
) -> tuple[list[FitResult], int]:
    """The maps of all slices ``(times, slices, y, x)``, and how many were not there yet."""
    job = Job(
        Path(arguments.out), Path(arguments.file), _settings(arguments, op, mask, fixed), restart=arguments.restart
    )
    slices = images.shape[1]
    left = [s for s in range(slices) if not job.is_finished(s)]
    with progress("qmri", slices, done=slices - len(left), quiet=arguments.quiet) as bar:
        for s in left:
            begin = time.perf_counter()
            known = {name: torch.from_numpy(np.asarray(values[s], np.float32)) for name, values in fixed.items()}
            found = fit(
                op,
                torch.from_numpy(images[:, s]),
                mask=torch.from_numpy(mask[s]),
                fixed=known,
                noise=arguments.noise,
                rician=arguments.rician,
            )
            job.save(s, _packed(op, found), time.perf_counter() - begin)
            bar.advance()
    return [_unpacked(op, stack) for stack in Job.finished_images(job.out)], len(left)


def _settings(
    arguments: argparse.Namespace, op: SignalOp, mask: np.ndarray, fixed: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Everything that maps depend on beside the images."""
    digest = hashlib.sha256()
    for name, values in {"mask": mask, **fixed, "design": op.design.numpy()}.items():
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    named = {name: getattr(arguments, name) for name in ("noise", "rician", "key", "time_axis", "slice_axis")}
    return {"model": op.name, "magnitude": op.magnitude, "known": digest.hexdigest(), **named}


def _packed(op: SignalOp, result: FitResult) -> np.ndarray:
    """All maps ``(rows, y, x)``: real and imaginary parts and components one after the other."""
    rows: list[np.ndarray] = []
    for p in op.model.parameters:
        values = result.parameters[p.name]
        parts = [values.real, values.imag] if p.kind == "complex" else [values]
        parts.append(result.uncertainty[p.name])
        rows += [row for part in parts for row in part.numpy().reshape(-1, *result.noise.shape)]
    noise = result.noise.numpy()
    rows += [result.converged.numpy(), noise, result.iterations.numpy()]
    return np.stack([row.astype(noise.dtype) for row in rows])


def _unpacked(op: SignalOp, stack: np.ndarray) -> FitResult:
    rows = iter(torch.from_numpy(stack))
    parameters: dict[str, torch.Tensor] = {}
    uncertainty: dict[str, torch.Tensor] = {}
    for p in op.model.parameters:
        if p.kind == "complex":
            parameters[p.name], uncertainty[p.name] = torch.complex(next(rows), next(rows)), next(rows)
        elif isinstance(p.kind, int):
            parameters[p.name] = torch.stack([next(rows) for _ in range(p.kind)])
            uncertainty[p.name] = torch.stack([next(rows) for _ in range(p.kind)])
        else:
            parameters[p.name], uncertainty[p.name] = next(rows), next(rows)
    return FitResult(parameters, uncertainty, next(rows) != 0, next(rows), next(rows).to(torch.int32))
