"""Dictionary matching against all correlations at once."""

import pytest
import torch

from mriops.signals import Dictionary, SignalOp, match


@pytest.fixture(scope="module")
def entries():
    op = SignalOp("inversion_recovery", inversion_time=[0.05 * 1.5**i for i in range(12)])
    t1 = torch.logspace(-1, 0.6, 60, dtype=torch.float64)
    efficiency = torch.linspace(0.8, 1.0, 5, dtype=torch.float64)
    parameters = torch.stack([x.reshape(-1) for x in torch.meshgrid(t1, efficiency, indexing="ij")])
    return op, op(m0=1.0, t1=parameters[0], efficiency=parameters[1]), parameters


@pytest.mark.parametrize("rank", [None, 6])
@pytest.mark.parametrize("as_complex", [False, True])
def test_finds_entries_and_their_scale(entries, rank, as_complex):
    _, signals, parameters = entries
    chosen = torch.randperm(300, generator=torch.Generator().manual_seed(0)).reshape(15, 20)
    phase = torch.exp(torch.tensor(0.7j, dtype=torch.complex128)) if as_complex else 1.0
    signal = 3 * phase * signals[:, chosen]
    dictionary = Dictionary(signals.to(signal.dtype), parameters, rank=rank)
    found = match(dictionary, signal, block=64)
    assert torch.equal(found.index, chosen)
    assert torch.equal(found.parameters, parameters[:, chosen])
    # Six singular vectors of this dictionary keep 1 - 1e-7 of every entry.
    assert torch.allclose(found.scale, torch.as_tensor(3 * phase).expand(15, 20).to(found.scale), rtol=1e-5)
    assert torch.allclose(found.correlation, torch.ones(15, 20, dtype=torch.float64), rtol=1e-9)


def test_refined_between_entries(entries):
    op, signals, parameters = entries
    signals, parameters = signals[:, 2::5], parameters[:1, 2::5]  # efficiency 0.9
    t1 = torch.linspace(0.3, 2.0, 101, dtype=torch.float64)
    signal = op(m0=1.0, t1=t1, efficiency=0.9)
    dictionary = Dictionary(signals, parameters)
    coarse = match(dictionary, signal).parameters[0]
    fine = match(dictionary, signal, refine=True).parameters[0]
    assert ((fine - t1) / t1).abs().max() < 0.2 * ((coarse - t1) / t1).abs().max()


def test_bad_dictionaries_are_named(entries):
    _, signals, parameters = entries
    broken = signals.clone()
    broken[:, 7] = 0
    with pytest.raises(TypeError, match=r"parameters: expected torch.Tensor, got dict"):
        Dictionary(torch.ones(2, 3), {"t1": torch.ones(3)})
    with pytest.raises(TypeError, match=r"signals: expected torch.Tensor, got dict"):
        Dictionary({"t1": torch.ones(3)}, torch.ones(1, 3))
    with pytest.raises(TypeError, match=r"dictionary: expected mriops.signals.Dictionary, got dict"):
        match({}, torch.ones(2, 3))
    with pytest.raises(ValueError, match="expected finite entries that are not zero, got entry 7"):
        Dictionary(broken, parameters)
    with pytest.raises(ValueError, match="rank: expected 1 to 12"):
        Dictionary(signals, parameters, rank=13)
    with pytest.raises(ValueError, match="parameters: expected"):
        Dictionary(signals, parameters[:, :5])
    with pytest.raises(ValueError, match=r"signal: expected 12 times first, got shape \(5, 3\)"):
        match(Dictionary(signals, parameters), torch.ones(5, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"signal: expected 12 times first \(or 4, compressed\), got shape \(5, 3\)"):
        match(Dictionary(signals, parameters, rank=4), torch.ones(5, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match="refine: expected parameters on a full grid"):
        match(Dictionary(signals[:, 1:], parameters[:, 1:]), signals, refine=True)


@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("entries", [torch.float32, torch.complex64])
@pytest.mark.parametrize("signal", [torch.float32, torch.float64, torch.complex64, torch.complex128])
def test_signals_of_any_dtype(rank: int | None, entries: torch.dtype, signal: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    signals = torch.randn(12, 30, dtype=entries, generator=generator)
    dictionary = Dictionary(signals, torch.arange(30.0)[None], rank=rank)
    measured = torch.randn(12, 7, dtype=signal, generator=generator)
    found = match(dictionary, measured)
    wide = dictionary.entries.to(torch.complex128)
    kept = measured.to(torch.complex128)
    kept = kept if dictionary.basis is None else dictionary.basis.to(torch.complex128).mH @ kept
    assert torch.equal(found.index, (wide.mH @ kept).abs().argmax(0))
    assert found.scale.is_complex() == (entries.is_complex or signal.is_complex)


def test_no_voxels() -> None:
    dictionary = Dictionary(torch.randn(12, 30), torch.rand(2, 30))
    found = match(dictionary, torch.zeros(12, 0, 5))
    assert found.index.shape == (0, 5) and found.parameters.shape == (2, 0, 5)


@pytest.mark.parametrize("complex_signals", [False, True])
def test_as_many_singular_vectors_as_times_change_nothing(entries, complex_signals) -> None:
    _, signals, parameters = entries
    signals = signals.to(torch.complex128) * 1j if complex_signals else signals
    plain, full = Dictionary(signals, parameters), Dictionary(signals, parameters, rank=12)
    measured = 2 * signals[:, 5:40:7]
    once, twice = full.compress(measured), full.compress(full.compress(measured))
    assert torch.equal(once, twice) and torch.equal(once, full.basis.mH @ measured)
    for signal in (measured, once):
        found = match(full, signal)
        assert torch.equal(found.index, torch.arange(5, 40, 7))
        assert torch.equal(found.scale, match(plain, measured).scale)


def test_basis_of_single_precision_keeps_small_singular_values(entries) -> None:
    _, signals, parameters = entries
    basis = Dictionary(signals.to(torch.float32), parameters, rank=7).basis.to(torch.float64)
    left = (signals - basis @ (basis.mH @ signals)).norm()
    best = torch.linalg.svdvals(signals)[7:].norm()
    # Rounding of 3600 samples is 4e-8 of the signal each; sums of squares in single precision leave 1e-4.
    assert left < best + 1e-6 * signals.norm()


def test_whole_numbers_become_floating_point(entries) -> None:
    signals = torch.tensor([[9, 5, 1], [4, 8, 2], [1, 3, 7]])
    parameters = torch.tensor([[1, 2, 3]])
    for rank in (None, 2, 3):
        found = match(Dictionary(signals, parameters, rank=rank), signals[:, 1:])
        real = match(Dictionary(signals.float(), parameters, rank=rank), signals[:, 1:])
        assert torch.equal(found.index, real.index) and torch.equal(found.scale, real.scale)
    _, signals, _ = entries
    whole = torch.arange(60)[None]
    between = signals[:, 2::5][:, 30:32].mean(1, keepdim=True)
    refined = match(Dictionary(signals[:, 2::5], whole), between, refine=True).parameters
    assert refined.is_floating_point() and 30 < refined.item() < 31


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (TypeError, lambda d, s: match(d, s.numpy()), "signal: expected torch.Tensor, got ndarray"),
        (TypeError, lambda d, s: d.compress([1.0]), "signal: expected torch.Tensor, got list"),
        (ValueError, lambda d, s: match(d, s, block=0), "block: expected an integer >= 1, got 0"),
        (TypeError, lambda d, s: match(d, s, block=1.5), "block: expected an integer >= 1, got 1.5"),
        (TypeError, lambda d, s: Dictionary(s, d.parameters, rank=2.0), "rank: expected 1 to 12, got 2.0"),
        (ValueError, lambda d, s: match(d, torch.tensor(1.0)), r"signal: expected 12 times first, got shape \(\)"),
    ],
)
def test_bad_calls_are_named(entries, error, call, message) -> None:
    _, signals, parameters = entries
    with pytest.raises(error, match=message):
        call(Dictionary(signals, parameters), signals)
