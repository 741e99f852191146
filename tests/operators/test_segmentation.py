"""Time segments: the error stated against that of every voxel, how many there are, and what is out of reach."""

import math

import pytest
import torch

from mriops.operators.segmentation import Segmentation, segment

F64 = torch.float64


def uniform(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def rates(hertz: float, decay: float, n: int) -> torch.Tensor:
    return torch.complex(decay * uniform(n, seed=3), 2 * math.pi * hertz * (uniform(n, seed=4) - 0.5))


def error_of(found: Segmentation, z: torch.Tensor, times: torch.Tensor, power: int = 0) -> float:
    """Root mean square of ``t^power exp(-z t)`` over all voxels at the worst sample."""
    z, t = z.flatten().to(torch.complex128)[:, None], times.flatten()
    parts, whole = found.times**power * torch.exp(-z * found.times), t**power * torch.exp(-z * t)
    return float((parts @ found.weights.flatten(1) - whole).abs().square().mean(0).sqrt().max())


@pytest.mark.parametrize("eps", [1e-2, 1e-4, 1e-7])
@pytest.mark.parametrize(
    ("hertz", "decay", "duration"),
    [
        (0, 60, 15e-3),
        (0, 500, 60e-3),
        (1000, 0, 15e-3),
        (4000, 0, 15e-3),
        (4000, 100, 20e-3),
        (5, 0, 5e-3),
        (50, 900, 0.1),
    ],
)
@pytest.mark.parametrize("n", [1, 3, 100, 5000])
def test_the_error_is_that_of_every_voxel(n: int, hertz: float, decay: float, duration: float, eps: float) -> None:
    z, times = rates(hertz, decay, n), torch.linspace(0, duration, 300, dtype=F64)
    found = segment(z, times, eps=eps)
    assert error_of(found, z, times) <= found.error <= eps
    assert error_of(found, z, times, power=1) <= eps * duration


@pytest.mark.parametrize("start", [-10e-3, 80e-3])
def test_before_the_centre_of_excitation_and_long_after(start: float) -> None:
    z = rates(400, 300, 2000) + 2j * math.pi * 700
    times = start + torch.linspace(0, 20e-3, 3000, dtype=F64).reshape(10, 300)
    found = segment(z.reshape(4, 5, 100), times, eps=1e-4)
    assert found.weights.shape[1:] == times.shape
    assert error_of(found, z, times) <= found.error <= 1e-4
    assert error_of(found, z, times, power=1) <= 1e-4 * float(times.abs().max())


def test_the_error_is_bounded_between_what_is_looked_at() -> None:
    # Far more samples than the degree of the series.
    z, times = rates(60, 0, 500), 20e-3 * uniform(20_000)
    found = segment(z, times)
    true = error_of(found, z, times)
    assert true <= found.error <= 1.2 * true


def test_outliers_count_by_their_share() -> None:
    z, times = rates(100, 0, 3000), torch.linspace(0, 10e-3, 200, dtype=F64)
    z[7] += 2j * math.pi * 20e3
    found = segment(z, times, eps=0.1)
    assert len(found.times) < 10  # 200 cycles
    assert error_of(found, z, times) <= found.error <= 0.1


def test_segments_grow_with_bandwidth_times_duration() -> None:
    counts = []
    for cycles in (2, 4, 8, 16, 60):
        frequency = torch.linspace(0, cycles / 20e-3, 1000, dtype=F64)
        found = segment(2j * math.pi * frequency, torch.linspace(0, 20e-3, 300, dtype=F64), eps=1e-3)
        counts.append(len(found.times))
        assert cycles <= len(found.times) <= cycles + 10  # no window comes near this
    assert counts == sorted(counts)


def test_weights_stay_small() -> None:
    for hertz, decay in ((4000, 0), (0, 500)):
        found = segment(rates(hertz, decay, 2000), torch.linspace(0, 15e-3, 500, dtype=F64), eps=1e-4)
        # sqrt(sum |B|^2) <= 100 where the error is eps; mostly far below.
        assert float(torch.linalg.vector_norm(found.weights, dim=0).max()) < 100


def test_few_samples_are_the_segments() -> None:
    z, times = rates(2000, 200, 1000), torch.tensor([[2e-3, 30e-3], [7e-3, 60e-3]], dtype=F64)
    found = segment(z, times, eps=1e-6)
    torch.testing.assert_close(found.times, times.flatten().sort().values)
    assert error_of(found, z, times) <= found.error <= 1e-6


def test_what_is_out_of_reach_is_told() -> None:
    times = torch.linspace(0, 100e-3, 2000, dtype=F64)
    spread = r"99\.\d+ Hz and R2\* of 0 to 0 1/s over 100 ms"
    with pytest.raises(
        ValueError, match=rf"eps: expected an error that 512 segments reach, \d\.\de-1\d for {spread}, got"
    ):
        segment(rates(100, 0, 2000), times, eps=1e-14)
    with pytest.raises(ValueError, match=r"at most 512 cycles \(a mask leaves out voxels\), got 599, from 5994 Hz"):
        segment(rates(6000, 0, 2000), times)
    with pytest.raises(ValueError, match=r"r2star: expected signals that stay below exp\(30\), got exp\(\d+\)"):
        segment(rates(0, 900, 100), times - 50e-3)
