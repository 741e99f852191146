"""The boundary between Python and raw memory: sizes are checked, memory is not; forks, threads and instruction sets."""

import os
import random
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from mriops import _native

NAMES = ("batch", "maps", "coils", "nz", "ny", "nx", "ndim", "batch_per_csm", "mask_kind")
NAMES += ("mask_sb", "mask_sz", "mask_sy", "mask_sx")
GOOD = (2, 1, 3, 1, 4, 5, 2, 1, 0, 0, 0, 0, 0)
KERNELS = ("sense", "sense_adjoint", "sense_gram", "sense_csm_adjoint", "coil_expand", "coil_combine")
ADDRESS = 4096  # never followed: every call below is refused first


@pytest.fixture(params=["cpu", pytest.param("emu", marks=pytest.mark.emu)])
def native(request: pytest.FixtureRequest) -> Any:
    try:
        return _native.load(request.param)
    except ImportError as error:
        pytest.skip(str(error))


def call(native: Any, name: str, shape: tuple[int, ...], pointers: tuple[int, ...] | None = None, **rest: int) -> None:
    count = 3 if name.startswith("coil") else 4
    options = {"dtype": 0, "workspace": ADDRESS, "lane": 1} | rest
    getattr(native, name)(*(pointers or (ADDRESS,) * count), *shape, **options)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("batch", -1, "batch: expected >= 0, got -1"),
        ("maps", 0, "maps: expected >= 1, got 0"),
        ("coils", -7, "coils: expected >= 1, got -7"),
        ("nz", 2, "nz: expected 1 when ndim is 2, got 2"),
        ("ny", 0, "ny: expected >= 1, got 0"),
        ("nx", -(2**63), "nx: expected >= 1, got -9223372036854775808"),
        ("ndim", 1, "ndim: expected 2 or 3, got 1"),
        ("batch_per_csm", 0, "batch_per_csm: expected >= 1, got 0"),
        ("batch_per_csm", 3, "batch_per_csm: expected a divisor of batch = 2, got 3"),
        ("mask_kind", 3, r"mask_kind: expected 0 \(none\), 1 \(bytes\) or 2 \(real\), got 3"),
        ("nx", 2**62, "expected fewer than 2\\^63 bytes"),
        ("coils", 2**59, "kspace: expected fewer than 2\\^63 bytes"),
    ],
)
def test_impossible_sizes_are_refused(native: Any, name: str, argument: str, value: int, message: str) -> None:
    shape = list(GOOD)
    shape[NAMES.index(argument)] = value
    with pytest.raises(ValueError, match=message):
        call(native, name, tuple(shape))
    with pytest.raises(ValueError, match=message):
        getattr(native, f"{name}_workspace_bytes")(*shape, 0)


@pytest.mark.parametrize("name", KERNELS[:4])
def test_mask_strides_are_checked(native: Any, name: str) -> None:
    with pytest.raises(ValueError, match="mask_sy: expected >= 0, got -1"):
        call(native, name, (*GOOD[:8], 1, 0, 0, -1, 1))
    with pytest.raises(ValueError, match="mask: expected fewer than 2\\^63 bytes"):
        call(native, name, (*GOOD[:8], 2, 2**62, 0, 2**62, 1))


@pytest.mark.parametrize("name", KERNELS)
def test_addresses_and_dtype_are_checked(native: Any, name: str) -> None:
    count = 3 if name.startswith("coil") else 4
    with pytest.raises(ValueError, match="expected an address, got 0"):
        call(native, name, GOOD, (ADDRESS,) * (count - 1) + (0,))
    with pytest.raises(ValueError, match="expected an address divisible by 4, got 4098"):
        call(native, name, GOOD, (ADDRESS + 2,) + (ADDRESS,) * (count - 1))
    with pytest.raises(ValueError, match=r"dtype: expected 0 \(complex64\) or 1 \(complex128\), got 2"):
        call(native, name, GOOD, dtype=2)
    with pytest.raises(TypeError):
        call(native, name, GOOD, (2**64,) * count)
    if count == 4:
        with pytest.raises(ValueError, match="mask: expected an address, got 0"):
            call(native, name, (*GOOD[:8], 1, 0, 0, 0, 1), (ADDRESS, ADDRESS, 0, ADDRESS))


def test_an_empty_batch_does_nothing(native: Any) -> None:
    for name in KERNELS:
        call(native, name, (0, *GOOD[1:]), pointers=(0,) * (3 if name.startswith("coil") else 4))
    native.fft(0, 0, 0, 1, 4, 4, 3, False, 0, 0, 1)


def test_fft_arguments_are_checked(native: Any) -> None:
    with pytest.raises(ValueError, match="axes_bits: expected a sum of"):
        native.fft(ADDRESS, ADDRESS, 1, 1, 4, 4, 8, False, 0, ADDRESS, 1)
    with pytest.raises(ValueError, match="x: expected fewer than"):
        native.fft(ADDRESS, ADDRESS, 2**20, 2**20, 2**20, 4, 3, False, 0, ADDRESS, 1)


def test_cpu_needs_a_thread() -> None:
    with pytest.raises(ValueError, match=r"lane \(number of threads\): expected >= 1, got 0"):
        call(_native.load("cpu"), "sense_gram", GOOD, lane=0)


def test_random_integers_are_refused_or_harmless(native: Any) -> None:
    """No combination of integers gets past the door with a null output: nothing may be computed, nothing may crash."""
    draw = random.Random(5)
    special = (-(2**63), -1, 0, 1, 2, 3, 7, 2**31, 2**32 + 1, 2**61, 2**62, 2**63 - 1, 2**63, -(2**63) - 1, 2**70)
    refused = 0
    for _ in range(4000):
        shape = tuple(draw.choice(special) if draw.random() < 0.3 else draw.randint(1, 3) for _ in NAMES)
        name = draw.choice(KERNELS)
        try:
            call(native, name, shape, pointers=(ADDRESS,) * (2 if name.startswith("coil") else 3) + (0,))
        except (ValueError, TypeError):
            refused += 1
        else:
            assert shape[0] == 0
    assert refused > 3900


def transform(n: int, threads: int) -> float:
    """Largest deviation of a transform there and back from where it started."""
    rng = np.random.default_rng(0)
    start = (rng.standard_normal((8, n, n)) + 1j * rng.standard_normal((8, n, n))).astype(np.complex64)
    x = start.copy()
    for inverse in (False, True):
        _native.load("cpu").fft(x.ctypes.data, x.ctypes.data, 8, 1, n, n, 3, inverse, 0, 0, threads)
    return float(np.abs(x - start).max())


N = 96  # large enough that the kernels take the threads they are offered
# Two transforms of N x N, |x| < 6: 6 * eps * sqrt(depth), with room for the largest of 73728 items.
ROUND_TRIP = 2e-5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_kernels_run_in_a_forked_child() -> None:
    assert transform(N, threads=4) < ROUND_TRIP
    assert _native.load("cpu").pool_workers() >= 1
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a pool that hangs ends the child with a signal
        fresh = _native.load("cpu").pool_workers() == 0
        good = transform(N, threads=4) < ROUND_TRIP
        os._exit(0 if fresh and good else 3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert transform(N, threads=4) < ROUND_TRIP


def test_instruction_sets_can_be_chosen_and_refused() -> None:
    cpu = _native.load("cpu")
    before = cpu.isa()
    try:
        for choice in cpu.isa_choices():
            cpu.set_isa(choice.removeprefix("x86-64-"))
            assert cpu.isa() == choice
            assert transform(N, threads=1) < ROUND_TRIP
        with pytest.raises(ValueError, match=r"isa: expected one of .* on this processor, got 'mmx'"):
            cpu.set_isa("mmx")
    finally:
        cpu.set_isa(before)


def test_environment_chooses_the_instruction_set() -> None:
    slowest = _native.load("cpu").isa_choices()[0]
    code = "from mriops._native import load; print(load('cpu').isa())"
    for wish, expected in ((slowest, slowest), ("mmx", "MRIOPS_ISA: expected one of")):
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"MRIOPS_ISA": wish}
        )
        assert expected in (run.stdout if run.returncode == 0 else run.stderr)
