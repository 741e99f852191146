"""Every contender of the spin workloads for GPUs does that workload, here on the CPU and the emulator, in small."""

import pytest
import torch

from benchmarks import gpu_pools, gpu_spins
from benchmarks.gpu import WORKLOADS
from mriops.testing import available_backends, use_backend

# Errors add up along a chain of 1000, 512 or 40 steps, each of some eps of float32 (6e-8) and, for isochromats, of the
# angle of a step; 32 echoes are one exponential each.
SMALL = {
    "fingerprints": (lambda device: gpu_spins.fingerprints(device, 20, every=5), 1e-4),
    "pulse": (lambda device: gpu_spins.pulse(device, 100), 1e-4),
    "decay": (lambda device: gpu_spins.decay(device, 64, every=8), 1e-6),
    "exchange train": (lambda device: gpu_pools.exchange_train(device, 20, 40, every=5), 1e-5),
    "bound train": (lambda device: gpu_pools.bound_train(device, 20, 40, every=5), 1e-5),
    "exchange pulse": (lambda device: gpu_pools.exchange_pulse(device, 100), 1e-4),
}


def test_all_are_here():
    assert len(SMALL) == len(gpu_spins.SPIN_WORKLOADS) + len(gpu_pools.POOL_WORKLOADS)
    assert {*gpu_spins.SPIN_WORKLOADS, *gpu_pools.POOL_WORKLOADS} <= set(WORKLOADS)


@pytest.mark.parametrize("name", SMALL)
def test_every_contender_is_exact(name):
    make, tolerance = SMALL[name]
    problem = make(torch.device("cpu"))
    assert problem.bytes > 0
    for contender, call in problem.contenders().items():
        result = call()
        assert problem.error(contender, result) < tolerance, contender
        assert problem.error(contender, result.flip(0)) > 0.01, contender


@pytest.mark.emu
@pytest.mark.parametrize("name", ["exchange train", "bound train", "exchange pulse"])
def test_two_pools_on_the_emulator(name):
    if "emu" not in available_backends():
        pytest.skip("this build has no emulator")
    make, tolerance = SMALL[name]
    with use_backend("emu") as device:
        problem = make(device)
        assert problem.error("mriops", problem.contenders()["mriops"]()) < tolerance
