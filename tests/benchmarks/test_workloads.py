"""Every way of doing a workload does that workload: all variants of all peers against complex128."""

from dataclasses import replace

import pytest
import torch

from benchmarks import costs
from benchmarks.peers import PEERS, sense_contenders
from benchmarks.workloads import WORKLOADS, Workload, expected, make_mask, make_problem, relative_error

# A complex64 transform of n points errs by about eps * log2(n), the coil sum by eps * sqrt(coils); 4e-7 covers both
# for fewer than 1000 points with the usual constant near 1; mrpro and sigpy do a few more roundings.
TOLERANCE = 1e-6

SMALL = [
    Workload("gram", "sense_gram", 4, (32, 27), "2d"),
    Workload("lines", "sense_gram", 3, (31, 8), "1d"),
    Workload("slices", "sense_gram", 3, (32, 27), "1d", batch=2),
    Workload("volume", "sense_gram", 2, (8, 9, 10), "3d"),
    Workload("kykz", "sense_gram", 2, (30, 9, 5), "kykz"),
    Workload("forward", "sense", 3, (32, 27), "2d"),
    Workload("forward-slices", "sense", 3, (9, 27), "1d", batch=2),
    Workload("adjoint", "sense_adjoint", 3, (32, 27), "2d"),
    Workload("adjoint-volume", "sense_adjoint", 2, (8, 9, 10), "3d"),
]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("workload", SMALL, ids=lambda w: w.name)
def test_every_variant_is_exact(peer, workload):
    problem = make_problem(workload)
    want = expected(problem)
    contenders, missing = sense_contenders(problem, [peer])
    if missing:
        pytest.skip(missing[0])
    assert contenders
    for contender in contenders:
        error = relative_error(contender.canonical(contender.call()), problem, want)
        assert error < TOLERANCE, contender.name


def test_a_wrong_result_has_a_large_error():
    problem = make_problem(SMALL[0])
    want = expected(problem)
    assert relative_error(want.roll(1, 0).to(torch.complex64), problem, want) > 0.5


def test_masks_keep_a_centre_and_about_a_third():
    mask = make_mask("1d", (320, 320))
    assert mask.shape == (320, 1)
    assert mask[148:172].all()
    assert 0.25 < make_mask("2d", (320, 320)).float().mean() < 0.45
    assert make_mask("kykz", (32, 30, 7)).shape == (32, 30, 1)


def test_names_are_unique():
    names = [w.name for w in WORKLOADS]
    assert len(set(names)) == len(names)


def _cost(**changes):
    return costs.cost(make_problem(replace(Workload("a", "sense_gram", 1, (16, 4), "2d"), **changes)))


def test_phase_encode_mask_counts_only_the_transforms_that_are_needed():
    # two transforms of 64 points at 5 log2 N: two levels of six along the readout
    assert _cost().flops - _cost(mask="1d").flops == 2 * 5 * 64 * 2
    assert _cost().bytes == 8 * 64 * 3 + 64


def test_cost_grows_with_the_batch():
    assert _cost(batch=3).flops == 3 * _cost().flops
