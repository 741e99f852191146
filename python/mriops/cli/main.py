"""Arguments and exit codes of the `mriops` command."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.util import find_spec

from mriops import __version__
from mriops.cli.interrupt import interruptible
from mriops.cli.qmri_options import FINGERPRINT_DEFAULTS, QMRI_MODELS

OK, FAILED, INTERRUPTED = 0, 1, 130
_EXIT_CODES = "exit codes: 0 done, 1 failed (one line says why), 2 wrong arguments, 130 interrupted"


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="mriops", description="MRI reconstruction from raw files.", epilog=_EXIT_CODES)
    top.add_argument("--version", action="version", version=f"mriops {__version__}")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_recon(commands)
    _add_qmri(commands)
    _add_demo(commands)
    _add_info(commands)
    _add_bench(commands)
    return top


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", type=_positive, metavar="N", help="CPU threads (default: all)")
    command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    command.add_argument("--quiet", "-q", action="store_true", help="no progress bar")


def _add_file(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", help="fastmri, ismrmrd, cfl, npz or twix (default: by content)")
    command.add_argument("--key", help="array in an npz file")
    command.add_argument("--axes", help="names of the axes of an npz or cfl array, such as slice,coil,y,x")
    command.add_argument("--dataset", help="group in an ISMRMRD file")
    command.add_argument(
        "--trajectory-units",
        choices=("auto", "pixel", "fov", "1/m"),
        help="of trajectories in an ISMRMRD file: cycles per pixel, per field of view or per metre (default: by size)",
    )


def _add_recon(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = (
        "Reconstruct a raw file slice by slice into OUT/image.nii.gz, OUT/image.npz (complex values, affine, voxel "
        "size), OUT/png and OUT/report.json. Finished slices are kept: the same command continues where it was "
        "stopped, other settings start anew. Results of an earlier run stay until those of this one replace them."
    )
    c = commands.add_parser("recon", help="raw file to images", description=text, epilog=_EXIT_CODES)
    c.add_argument("file", help="fastMRI or ISMRMRD HDF5, BART cfl, npz, Siemens twix .dat")
    c.add_argument("-o", "--out", default="out", help="folder for the results (default: %(default)s)")
    _add_file(c)
    c.add_argument("--method", default="sense", choices=("sense", "zero-filled", "rss"), help="default: %(default)s")
    c.add_argument(
        "--calib", default="espirit", choices=("espirit", "walsh", "adaptive"), help="coil maps (default: %(default)s)"
    )
    c.add_argument("--maps", type=_positive, default=1, metavar="N", help="sets of ESPIRiT maps (default: %(default)s)")
    c.add_argument("--compress", type=_positive, metavar="N", help="compress to N virtual coils")
    c.add_argument("--no-whiten", action="store_true", help="do not use the noise scan")
    c.add_argument("--max-iter", type=_positive, default=30, metavar="N", help="CG iterations (default: %(default)s)")
    c.add_argument("--tol", type=_not_negative, default=1e-5, help="relative residual to stop at (%(default)s)")
    c.add_argument("--l2", type=_not_negative, default=1e-3, help="Tikhonov weight (default: %(default)s)")
    c.add_argument(
        "--acceleration",
        type=_positive,
        default=1,
        metavar="R",
        help="undersample: keep every R-th line and a centre",
    )
    c.add_argument("--acs", type=_positive, default=24, help="centre lines to keep with --acceleration (%(default)s)")
    c.add_argument("--slices", metavar="A:B", help="only slices A to B-1")
    c.add_argument("--phase", action="store_true", help="also write the phase as NIfTI")
    c.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: %(default)s)")
    c.add_argument("--restart", action="store_true", help="do not continue, start anew")
    _add_common(c)


def _add_qmri(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = (
        "Fit a signal model to a series of images, voxel by voxel: maps in SI units with their standard deviations "
        "(Cramer-Rao bound) and a map of convergence as NIfTI, pictures with colour bars in OUT/png, OUT/report.json. "
        "Finished slices are kept: the same command continues where it was stopped, other settings start anew. "
        "Numbers are separated by commas, or @NAME takes an array of the npz file."
    )
    c = commands.add_parser("qmri", help="image series to parameter maps", description=text, epilog=_EXIT_CODES)
    c.add_argument("file", help="NIfTI (times last), npz or npy (times first)")
    c.add_argument("-o", "--out", default="maps", help="folder for the results (default: %(default)s)")
    c.add_argument(
        "--model",
        required=True,
        choices=QMRI_MODELS,
        metavar="MODEL",
        help=", ".join(QMRI_MODELS),
    )
    c.add_argument(
        "--sequence",
        metavar="FILE",
        help="the measurement, JSON, CSV or npz: arguments of the signal model by name, to which the options below add "
        "what it lacks; for mrf flip_angle_deg, repetition_time_ms, echo_time_ms, inversion_time_ms, phase_deg, "
        "spoiling",
    )
    c.add_argument("--times", metavar="LIST", help="echo, inversion, saturation or spin lock times [s]")
    c.add_argument("--ms", action="store_true", help="--times are in milliseconds")
    c.add_argument("--angles", metavar="LIST", help="flip angles [degrees]")
    c.add_argument("--b-values", metavar="LIST", help="[s/mm^2]")
    c.add_argument("--directions", metavar="FILE", help="dti, dki: text with three rows or columns (bvec)")
    c.add_argument("--tr", type=_above_zero, metavar="S", help="repetition time [s]")
    c.add_argument("--b1", metavar="FILE", help="map of the relative transmit field")
    c.add_argument("--field", type=_above_zero, metavar="T", help="waterfat: field strength [T]")
    c.add_argument("--peaks", metavar="LIST", help="waterfat: PPM:AMPLITUDE of fat (default: six peaks)")
    c.add_argument("--no-decay", action="store_true", help="waterfat: R2* is zero, as few echoes demand")
    c.add_argument("--mask", metavar="FILE", help="where to fit (default: by --threshold)")
    c.add_argument(
        "--threshold", type=_not_negative, default=0.05, help="of the brightest signal (default: %(default)s)"
    )
    c.add_argument("--signed", action="store_true", help="real images have signs: do not fit magnitudes")
    c.add_argument("--two-parameter", action="store_true", help="ir, sr: a perfect preparation is known")
    c.add_argument("--fix", action="append", metavar="NAME=VALUE", help="a parameter that is known: number or map")
    c.add_argument("--noise", type=_above_zero, metavar="SIGMA", help="standard deviation of the noise, if known")
    c.add_argument("--rician", action="store_true", help="likelihood of magnitudes (needs --noise)")
    c.add_argument("--key", help="array in an npz file")
    c.add_argument("--time-axis", type=int, metavar="N", help="axis of the times")
    c.add_argument("--slice-axis", type=int, metavar="N", help="axis of the slices of an npz or npy file")
    c.add_argument("--restart", action="store_true", help="drop finished slices of an earlier run")
    m = c.add_argument_group("mrf", "fingerprinting: from images, or from kspace (and trajectory) in an npz file")
    known = FINGERPRINT_DEFAULTS
    m.add_argument("--t1", metavar="GRID", help=f"FIRST:LAST:COUNT or LIST [s] ({known['t1']})")
    m.add_argument("--t2", metavar="GRID", help=f"FIRST:LAST:COUNT or LIST [s] ({known['t2']})")
    m.add_argument("--b1-grid", metavar="GRID", help="find B1 too, among these; with --b1 the steps it is rounded to")
    m.add_argument("--rank", type=_positive, metavar="N", help=f"singular vectors (default: {known['rank']})")
    m.add_argument("--l2", type=_not_negative, help=f"k-space: Tikhonov weight (default: {known['l2']})")
    m.add_argument("--max-iter", type=_positive, metavar="N", help=f"k-space: CG iterations ({known['max_iter']})")
    m.add_argument("--im-size", metavar="Y,X", help="k-space along a trajectory without csm: size of the images")
    _add_common(c)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = (
        "Simulate an undersampled multi-coil brain scan from analytic k-space, write it as ISMRMRD, reconstruct it "
        "from that file, compare with the truth and draw a figure."
    )
    c = commands.add_parser("demo", help="simulate, reconstruct, compare", description=text, epilog=_EXIT_CODES)
    c.add_argument("-o", "--out", default="demo", help="folder for the results (default: %(default)s)")
    c.add_argument("--quick", action="store_true", help="a smaller image and fewer coils")
    c.add_argument("--device", default="auto", help="auto, cpu, cuda (default: %(default)s)")
    c.add_argument("--seed", type=int, default=0, help="of noise and sampling (default: %(default)s)")
    _add_common(c)


def _add_info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    c = commands.add_parser("info", help="what is installed, or what a raw file holds", epilog=_EXIT_CODES)
    c.add_argument("file", nargs="?", help="a raw file")
    _add_file(c)
    c.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = (
        "In a source tree: `python -m benchmarks run` with the arguments given. Elsewhere: the fused SENSE normal "
        "operator against the same with torch.fft."
    )
    c = commands.add_parser("bench", help="time the operators", description=text, epilog=_EXIT_CODES)
    c.add_argument("--quick", action="store_true", help="fewer repetitions")
    c.add_argument("--threads", type=_positive, metavar="N", help="CPU threads, without a source tree (default: 1)")
    c.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    c.add_argument("rest", nargs=argparse.REMAINDER, help="further arguments for `python -m benchmarks run`")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {text!r}")
    return number


def _not_negative(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"expected a number >= 0, got {text!r}")
    return number


def _above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number > 0, got {text!r}")
    return number


def _dispatch(arguments: argparse.Namespace) -> int:
    if (arguments.command != "info" or arguments.file) and find_spec("torch") is None:
        raise ImportError(f"mriops {arguments.command} needs torch, which is not installed: pip install 'mriops[cli]'")
    if arguments.command == "recon":
        from mriops.cli.recon import run
    elif arguments.command == "qmri":
        from mriops.cli.qmri import run
    elif arguments.command == "demo":
        from mriops.cli.demo import run
    elif arguments.command == "info":
        from mriops.cli.info import run
    else:
        from mriops.cli.bench import run
    return run(arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process if None.

    Returns
    -------
    int
        Exit code: 0 done, 1 failed, 130 interrupted. Wrong arguments end in SystemExit with code 2.
    """
    arguments = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal cannot show are no failure
    try:
        with interruptible():
            return _dispatch(arguments)
    except KeyboardInterrupt:
        kept = arguments.command in ("recon", "qmri")
        sys.stderr.write(
            f"mriops: interrupted{'; finished slices are kept, the same command continues' if kept else ''}\n"
        )
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; the null device keeps the exit of Python quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, MemoryError) as error:
        if arguments.debug:
            traceback.print_exc()
        else:
            text = " ".join(str(error).split()) or type(error).__name__
            sys.stderr.write(f"mriops: error: {text}\n")
        return FAILED
    except Exception as error:  # foreseen by nobody: what it is, and how to see where
        if arguments.debug:
            traceback.print_exc()
        else:
            text = " ".join(str(error).split())
            sys.stderr.write(f"mriops: error: {type(error).__name__}: {text} (--debug shows where)\n")
        return FAILED
