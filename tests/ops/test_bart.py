"""Signal models, phase graphs and Bloch steady states beside BART 0.8, an independent program in single precision.

Tolerances: BART computes and writes float32, hence 1e-6 of signals of order 1; `bart sim` has pulses of 10 us, 2e-3 of
a TR, by which its steady states differ from those of pulses of no length.
"""

import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mriops import ops
from mriops.io import read_cfl

pytestmark = pytest.mark.skipif(shutil.which("bart") is None, reason="needs BART")

F64 = torch.float64
Bart = Callable[..., np.ndarray]


def number(value: float) -> torch.Tensor:
    return torch.tensor(float(value), dtype=F64)


def ramp(count: int, step: float) -> torch.Tensor:
    return torch.arange(count, dtype=F64) * step


@pytest.fixture
def bart(tmp_path: Path) -> Bart:
    def run(*arguments: str, outputs: int = 1) -> np.ndarray:
        names = [f"out{i}" for i in range(outputs)]
        subprocess.run(["bart", *arguments, *names], cwd=tmp_path, check=True, capture_output=True)
        return np.squeeze(np.asarray(read_cfl(tmp_path / names[-1])))

    return run


T1_T2 = ("-1", "1:1:1", "-2", ".1:.1:1")


def test_spin_echo_decay(bart: Bart) -> None:
    theirs = bart("signal", "-T", "-e", ".01", "-n", "16", *T1_T2)
    ours = ops.signal_mono_exponential(number(1), number(0.1), ramp(16, 0.01))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("fat", [0.0, 0.2])
def test_gradient_echoes_of_water_and_fat(bart: Bart, fat: float) -> None:
    option = ["--fat"] if fat else []
    theirs = bart("signal", "-G", *option, "-e", ".0016", "-n", "8", "-0", "20:20:1", "-1", "1:1:1", "-2", ".03:.03:1")
    # Hamilton's spectrum at 3 T; BART turns the other way.
    shift = torch.tensor([-3.80, -3.40, -2.60, -1.94, -0.39, 0.60], dtype=F64) * 42.577478518 * 3
    amplitude = torch.tensor([0.086, 0.537, 0.165, 0.046, 0.052, 0.114], dtype=F64)
    water, tallow = (torch.tensor(m, dtype=torch.complex128) for m in (1 - fat, fat))
    ours = ops.signal_water_fat(water, tallow, number(20), number(1 / 0.03), ramp(8, 0.0016), shift, amplitude)
    np.testing.assert_allclose(ours.conj().resolve_conj(), theirs, rtol=0, atol=1e-6)


def test_look_locker_where_bart_approximates(bart: Bart) -> None:
    flip, tr = math.radians(8), 0.0041
    theirs = bart("signal", "-F", "-I", "-r", str(tr), "-f", "8", "-n", "500", *T1_T2)
    time = ramp(500, tr)
    apparent = 1 / (1 - math.log(math.cos(flip)) / tr)  # T1* for T1 = 1 s
    # BART takes Mss = T1*/T1, which is right for short TR; that is the model of MOLLI with this amplitude.
    approximate = ops.signal_molli(number(apparent), number(1), time, efficiency=number(1 / apparent))
    np.testing.assert_allclose(approximate, theirs.real, rtol=0, atol=1e-6)
    exact = ops.signal_look_locker(number(1), number(1), time, flip, tr) / math.sin(flip)
    error = (exact - torch.from_numpy(theirs.real.copy())).abs().max()
    assert 1e-4 < error < 1.5e-3  # TR / T1 = 0.4 %, times Mss


@pytest.mark.parametrize("off_resonance", [0.0, 10.0, 25.0, 40.0])
def test_balanced_steady_state_of_phase_graphs(bart: Bart, off_resonance: float) -> None:
    # 2000 pulses of 5 ms are 10 T1; half-way between pulses, where BART reads.
    theirs = bart("epg", "-B", "-1", "1", "-2", ".1", "-r", ".005", "-f", "40", "-n", "2000", "-o", str(off_resonance))[
        -1
    ]
    ours = ops.signal_bssfp(number(1), number(1), number(0.1), number(off_resonance), [math.radians(40)], 0.005, 0.0025)
    np.testing.assert_allclose(abs(ours.numpy()), abs(theirs), rtol=1e-5)


def test_ernst_steady_state_of_phase_graphs(bart: Bart) -> None:
    theirs = bart("epg", "-F", "-1", "1", "-2", ".1", "-r", ".01", "-f", "15", "-n", "400", "-s", "0")[-1]
    ours = ops.signal_spgr(number(1), number(1), [math.radians(15)], 0.01)
    np.testing.assert_allclose(ours, abs(theirs), rtol=2e-6)


def test_rf_spoiling(bart: Bart) -> None:
    theirs = bart("epg", "-F", "-1", "1", "-2", ".1", "-r", ".01", "-f", "15", "-n", "400", "-s", "1")
    ours = ops.epg_spgr(
        torch.full((400,), math.radians(15), dtype=F64),
        0.01,
        torch.ones(1, dtype=F64),
        torch.full((1,), 0.1, dtype=F64),
        echo_time=0.0,
        phase_increment=math.radians(50),
    )
    np.testing.assert_allclose(ours.abs().flatten(), abs(theirs), rtol=0, atol=1e-6)


@pytest.mark.parametrize("b1", [0.7, 0.9])
def test_spin_echo_train_and_its_derivatives(bart: Bart, b1: float) -> None:
    command = ("epg", "-C", "-1", "1", "-2", ".1", "-b", str(b1), "-e", ".01", "-n", "16", "-u", "7")
    echoes, relative = bart(*command), bart(*command, outputs=3)
    t1, t2 = torch.ones(1, dtype=F64), torch.full((1,), 0.1, dtype=F64)
    signal, by_t1, by_t2, by_b1 = ops.epg_fse(
        torch.full((16,), math.pi, dtype=F64),
        t1,
        t2,
        torch.full((1,), b1, dtype=F64),
        echo_spacing=0.01,
        jacobian=("t1", "t2", "b1"),
    ).squeeze(-1)
    np.testing.assert_allclose(signal, abs(echoes), rtol=0, atol=1e-6)
    # BART gives p dS/dp for T1 and T2, but b1^2 dS/db1 for b1.
    np.testing.assert_allclose(by_t1, relative[:, 0].real, rtol=0, atol=2e-6)
    np.testing.assert_allclose(0.1 * by_t2, relative[:, 1].real, rtol=0, atol=2e-6)
    np.testing.assert_allclose(b1**2 * by_b1, relative[:, 2].real, rtol=0, atol=2e-6)


@pytest.mark.parametrize("solver", ["--ROT", "--STM", "--ODE"])
def test_balanced_steady_state_of_bloch_simulations(bart: Bart, solver: str) -> None:
    sequence = "BSSFP,TR=0.0045,TE=0.00225,Nrep=3000,pinv,ipl=0,ppl=0.00225,Trf=1e-5,FA=45,BWTP=4"
    theirs = bart("sim", solver, "--seq", sequence, *T1_T2)[-1]
    ours = ops.signal_bssfp(number(1), number(1), number(0.1), number(0), [math.radians(45)], 0.0045, 0.00225)
    np.testing.assert_allclose(ours, [theirs], rtol=2e-3)


def test_spoiled_steady_state_of_bloch_simulations(bart: Bart) -> None:
    sequence = "FLASH,TR=0.005,TE=0.002,Nrep=1500,pinv,ipl=0,ppl=0,Trf=1e-5,FA=8,BWTP=4"
    theirs = bart("sim", "--STM", "--seq", sequence, *T1_T2)[-1]
    ours = ops.signal_spgr(number(1), number(1), [math.radians(8)], 0.005) * math.exp(-0.002 / 0.1)
    np.testing.assert_allclose(ours, [abs(theirs)], rtol=2e-3)
