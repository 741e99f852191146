"""A case from build to row."""

import pytest
import torch

from benchmarks import runner
from benchmarks.case import Built, Case
from benchmarks.contender import Contender, Sample
from benchmarks.costs import Cost
from benchmarks.peers import pyqmri_process
from benchmarks.peers.bart import difference, from_bart, read_cfl, to_bart, write_cfl


def _case(*contenders):
    built = Built(contenders, lambda contender, result: float(result), ["absent: not installed"], Cost(1e6, 2e6))
    return Case("a", "A", lambda peers: built, memory=False)


def _work():
    return torch.ones(1000).sum() / 1000


def test_rows_carry_times_errors_and_rates():
    said = []
    case = _case(Contender("mriops", "", _work, lambda x: x))
    (row,) = runner.run_case(case, quick=True, log=said.append)
    assert row.cpu_ms > 0 and row.error == 1.0 and row.rounds >= 3
    assert row.gflops == pytest.approx(1e-3 / (row.cpu_ms * 1e-3))
    assert row.gbs == pytest.approx(2 * row.gflops)
    assert said == ["  left out: absent: not installed"]


def test_a_peer_that_fails_is_left_out_and_named():
    def broken():
        raise RuntimeError("no such kernel")

    said = []
    case = _case(Contender("mriops", "", _work, lambda x: x), Contender("peer", "v", broken, lambda x: x))
    rows = runner.run_case(case, quick=True, log=said.append)
    assert [row.peer for row in rows] == ["mriops"]
    assert "  left out: peer (v): no such kernel" in said


def test_mriops_may_not_fail():
    def broken():
        raise RuntimeError("no such kernel")

    with pytest.raises(RuntimeError, match="no such kernel"):
        runner.run_case(_case(Contender("mriops", "", broken, lambda x: x)), quick=True)


def test_description():
    case = _case(Contender("mriops", "", _work, lambda x: x), Contender("peer", "v", _work, lambda x: x))
    lines = runner.describe(runner.run_case(case, quick=True))
    assert "1.00x" in lines[0] and "peer (v)" in lines[1]


def test_bart_files_keep_axes(tmp_path):
    coils = torch.randn(3, 5, 4, dtype=torch.complex64)
    write_cfl(tmp_path / "k", to_bart(coils))
    back = read_cfl(tmp_path / "k")
    assert back.shape[:4] == (4, 5, 1, 3)
    torch.testing.assert_close(from_bart(back), coils, rtol=0, atol=0)


def test_pyqmri_reads_cycles_per_pixel_and_transposed_b1(tmp_path):
    h5py = pytest.importorskip("h5py")
    kspace, trajectory = torch.ones(2, 3, 5, 8) * 4j, torch.full((2, 5, 8, 2), 1.0)
    trajectory[..., 1] = 2.0
    csm, dcf, b1 = torch.ones(3, 4, 4) + 0j, torch.ones(5, 8), torch.arange(16.0).view(4, 4)
    path = tmp_path / "scan.h5"
    pyqmri_process.write_scan(path, kspace, trajectory, csm, dcf, b1, torch.tensor([0.1, 0.2]), 0.005)
    with h5py.File(path) as file:
        assert file["imag_dat"].shape == (2, 3, 1, 5, 8) and not file["real_dat"][()].any()
        assert (file["real_traj"][()] == 0.25).all() and (file["imag_traj"][()] == 0.5).all()
        assert (b1.numpy() == file["fa_corr"][0].T).all() and file["Coils"].shape == (3, 1, 4, 4)
        assert file.attrs["TR"] == pytest.approx(5.0)
        assert file.attrs["flip_angle(s)"] == pytest.approx([5.729578, 11.459156])


def test_start_up_is_taken_off():
    assert difference(Sample(5.0, 6.0), Sample(2.0, 7.0), 2.0) == Sample(6.0, 0.0)


def test_memory_is_taken_of_the_fastest_variant_of_each_peer(monkeypatch):
    asked = []
    monkeypatch.setattr(runner.memory, "measure", lambda case, names: asked.extend(names) or dict.fromkeys(names, 7.0))

    def slow():
        return sum(_work() for _ in range(50))

    contenders = [
        Contender("mriops", "", _work, lambda x: x),
        Contender("peer", "slow", slow, lambda x: x),
        Contender("peer", "fast", _work, lambda x: x),
    ]
    built = Built(contenders, lambda contender, result: 0.0)
    case = Case("a", "A", lambda peers: built, seconds=0.0)
    rows = runner.run_case(case)
    assert sorted(asked) == ["mriops", "peer (fast)"]
    assert {row.variant: row.peak_mib for row in rows} == {"": 7.0, "slow": 0.0, "fast": 7.0}


def test_command_line_lists_cases(capsys):
    from benchmarks.__main__ import main

    assert main(["list"]) == 0
    assert "gram-16x320x320-2d" in capsys.readouterr().out


def test_command_line_runs_by_default(monkeypatch):
    import benchmarks.__main__ as command

    seen = []
    monkeypatch.setattr(command, "_run", seen.append)
    command.main(["--quick"])
    assert seen[0].command == "run" and seen[0].quick
