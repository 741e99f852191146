"""Chains of radices: what is timed, and what a table is made of."""

import math
import shutil

import pytest

from benchmarks.compiled import supported_isas
from benchmarks.radices import Chain, compare, measure


def test_the_chosen_chain_beside_the_fastest():
    chains = [
        Chain(12, 3.0, True, (4, 3)),
        Chain(12, 2.0, False, (3, 4)),
        Chain(20, 2.5, False, (4, 5)),
        Chain(8, 1.0, True, (4, 2)),
    ]
    assert compare(chains) == {8: (chains[3], chains[3]), 12: (chains[0], chains[1])}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_all_chains_of_a_length_are_timed():
    chains = measure(supported_isas()[-1], (12, 60))
    assert all(math.prod(chain.radices) == chain.length and chain.time > 0 for chain in chains)
    twelve = {chain.radices for chain in chains if chain.length == 12}
    assert twelve == {(2, 2, 3), (2, 3, 2), (3, 2, 2), (2, 6), (6, 2), (3, 4), (4, 3)}
    assert sum(chain.chosen for chain in chains if chain.length == 60) == 1
