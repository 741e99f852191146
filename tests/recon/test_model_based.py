"""Parameter maps from k-space, on a synthetic object and on measured data."""

import numpy as np
import pytest
import torch

from mriops import ops, phantoms, recon, trajectories
from mriops.operators import FiniteDifferenceOp, IdentityOp, SenseOp

FLIPS = torch.deg2rad(torch.tensor([2.0, 4, 8, 12, 16, 20]))
TR = 5e-3


def object_and_data(n: int = 32, acceleration: float = 3):
    y, x = torch.meshgrid(*(torch.arange(n) - n // 2,) * 2, indexing="ij")
    radius = (x**2 + y**2).float().sqrt() / n
    t1 = torch.where(radius < 0.2, 0.6, 1.4)
    m0 = (radius < 0.45) * torch.exp(0.05j * x)
    images = ops.signal_spgr(torch.ones_like(t1), t1, FLIPS, TR) * m0
    csm = phantoms.fourier_coils(6).maps((n, n)).to(torch.complex64)
    mask = torch.stack([trajectories.mask_random((n, n), acceleration, acs=8, seed=i) for i in range(len(FLIPS))])
    encoding = SenseOp(csm, mask)
    return t1, m0, radius < 0.42, encoding, encoding(images)


def test_undersampled_scan_gives_t1() -> None:
    t1, m0, inside, encoding, kspace = object_and_data()
    found, density = recon.t1_vfa(kspace, encoding, FLIPS, TR, l2=1e-6, tv=1e-5, max_iter=12)
    error = ((found - t1).abs() / t1)[inside]
    # no noise: what is left is the regularisation of the last step
    assert error.median() < 0.01 and error.quantile(0.9) < 0.05
    assert (torch.linalg.vector_norm((density - m0)[inside]) / torch.linalg.vector_norm(m0[inside])) < 0.03


def test_transmit_field_is_taken_into_account() -> None:
    t1, m0, inside, encoding, _ = object_and_data()
    b1 = torch.linspace(0.8, 1.2, t1.shape[1]).expand(t1.shape)
    kspace = encoding(ops.signal_spgr(torch.ones_like(t1), t1, FLIPS, TR, b1) * m0)
    found, _ = recon.t1_vfa(kspace, encoding, FLIPS, TR, b1=b1, l2=1e-6, tv=1e-5, max_iter=12)
    ignored, _ = recon.t1_vfa(kspace, encoding, FLIPS, TR, l2=1e-6, tv=1e-5, max_iter=12)
    assert ((found - t1).abs() / t1)[inside].median() < 0.01 < 0.05 < ((ignored - t1).abs() / t1)[inside].median()


def test_total_variation_removes_noise() -> None:
    t1, _, inside, encoding, kspace = object_and_data()
    noise = torch.randn(kspace.shape, dtype=kspace.dtype, generator=torch.Generator().manual_seed(0))
    noisy = kspace + 0.02 * kspace.abs().pow(2).mean().sqrt() * noise
    errors = [
        ((recon.t1_vfa(noisy, encoding, FLIPS, TR, l2=1e-5, tv=tv)[0] - t1).abs() / t1)[inside].mean()
        for tv in (0.0, 1e-3)
    ]
    assert errors[1] < 0.8 * errors[0]


def test_wavelets_remove_noise() -> None:
    t1, _, inside, encoding, kspace = object_and_data()
    noise = torch.randn(kspace.shape, dtype=kspace.dtype, generator=torch.Generator().manual_seed(0))
    noisy = kspace + 0.02 * kspace.abs().pow(2).mean().sqrt() * noise
    errors = [
        ((recon.t1_vfa(noisy, encoding, FLIPS, TR, l2=1e-5, wavelet=w)[0] - t1).abs() / t1)[inside].median()
        for w in (0.0, 3e-4)
    ]
    assert errors[1] < 0.8 * errors[0]


def test_any_model_and_bounds() -> None:
    times = torch.tensor([0.0, 0.5, 1.0, 2.0])[:, None, None]
    truth = torch.stack((torch.full((4, 4), 1.5), torch.full((4, 4), 0.7)))
    model = lambda x: x[0] * torch.exp(-x[1] * times)  # noqa: E731
    start = torch.ones(2, 4, 4)
    x = recon.model_based(model(truth), IdentityOp(), model, start, l2=1e-7, max_iter=15)
    torch.testing.assert_close(x, truth, rtol=1e-3, atol=0)
    bounded = recon.model_based(model(truth), IdentityOp(), model, start, bounds=((0, 1.2), (0.8, 2)), l2=1e-7)
    assert float(bounded[0].max()) <= 1.2 + 1e-6 and float(bounded[1].min()) >= 0.8 - 1e-6  # bounds in float32


def test_bad_input() -> None:
    _, _, _, encoding, kspace = object_and_data()
    with pytest.raises(ValueError, match=r"repetition_time: expected a finite number > 0 \[s\], got -1.0"):
        recon.t1_vfa(kspace, encoding, FLIPS, -1.0)
    with pytest.raises(ValueError, match="kspace: expected data, got zeros"):
        recon.t1_vfa(kspace * 0, encoding, FLIPS, TR)
    for name, value in (("l2", -1), ("tv", float("nan")), ("wavelet", float("inf"))):
        with pytest.raises(ValueError, match=f"{name}: expected a finite number >= 0, got {value}"):
            recon.t1_vfa(kspace, encoding, FLIPS, TR, **{name: value})
    with pytest.raises(ValueError, match="bounds: expected 2 pairs, one per parameter, got 1"):
        recon.model_based(torch.ones(3, 2), IdentityOp(), lambda x: x, torch.ones(2, 2), bounds=((0, 1),))
    for pair, message in (
        ((10, -10), r"expected lower <= upper for parameter 1, got \(10, -10\)"),
        ((float("nan"), 1), r"expected lower <= upper for parameter 1, got \(nan, 1\)"),
        ((1,), "expected .lower, upper. per parameter, got 1"),
    ):
        with pytest.raises(ValueError, match=f"bounds: {message}"):
            recon.model_based(torch.ones(3, 2), IdentityOp(), lambda x: x, torch.ones(2, 2), bounds=((0, 1), pair))
    with pytest.raises(ValueError, match=r"alpha_factor: expected a number in \(0, 1\], got 0.0"):
        recon.model_based(torch.ones(2, 2), IdentityOp(), lambda x: x, torch.ones(2, 2), alpha_factor=0.0)
    with pytest.raises(TypeError, match=r"x0: expected real parameters .* got torch.int32"):
        recon.model_based(torch.ones(2, 2), IdentityOp(), lambda x: x, torch.ones(2, 2, dtype=torch.int32))
    with pytest.raises(ValueError, match=r"kspace: expected finite values, got inf at index \(0, 1\)"):
        recon.model_based(torch.tensor([[1, float("inf")]]), IdentityOp(), lambda x: x, torch.ones(1, 2))
    with pytest.raises(ValueError, match="x0: expected parameters at which the images depend on them"):
        recon.model_based(torch.ones(3, 2), IdentityOp(), lambda x: (x * 0).sum(0).expand(3, 2), torch.ones(1, 2))


def test_kinds_that_are_none() -> None:
    data, start = torch.ones(3, 2), torch.ones(2, 2)
    for change, message in (
        ({"kspace": data.numpy()}, r"kspace: expected a torch\.Tensor, got ndarray"),
        ({"encoding": abs}, "encoding: expected a LinearOperator, got builtin_function_or_method"),
        ({"x0": start.numpy()}, r"x0: expected a torch\.Tensor, got ndarray"),
        ({"l2": "a"}, "l2: expected a finite number >= 0, got 'a'"),
        ({"tv_edge": None}, "tv_edge: expected a finite number > 0, got None"),
    ):
        arguments = {"kspace": data, "encoding": IdentityOp(), "model": lambda x: x, "x0": start} | change
        with pytest.raises(TypeError, match=message):
            recon.model_based(**arguments)
    *_, encoding, kspace = object_and_data(16, 2)
    for error, change, message in (
        (TypeError, {"kspace": kspace.numpy()}, r"kspace: expected a torch\.Tensor, got ndarray"),
        (TypeError, {"encoding": None}, "encoding: expected a LinearOperator, got NoneType"),
        (TypeError, {"repetition_time": "a"}, r"repetition_time: expected a finite number > 0 \[s\], got 'a'"),
        (ValueError, {"t1_start": 20.0}, r"t1_start: expected a number from 0\.02 to 10 \[s\], got 20\.0"),
        (TypeError, {"t1_start": "a"}, r"t1_start: expected a number from 0\.02 to 10 \[s\], got 'a'"),
    ):
        arguments = {"kspace": kspace, "encoding": encoding, "flip_angle": FLIPS, "repetition_time": TR} | change
        with pytest.raises(error, match=message):
            recon.t1_vfa(**arguments)


def test_total_variation_is_that_of_the_maps_wherever_they_start() -> None:
    """With the identity as model the maps are where ``x - y + l2 (x - x0) + G^T W G x`` is zero."""
    y = 1 + 0.1 * torch.randn(1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    l2, tv, edge = 0.3, 0.02, 0.05
    for start in (y, torch.ones_like(y)):
        x = recon.model_based(
            y, IdentityOp(), lambda x: x, start, l2=l2, tv=tv, tv_edge=edge, alpha_factor=1.0, max_iter=60, cg_iter=200
        )
        gradient = FiniteDifferenceOp(2)
        edges = gradient(x)
        flow = gradient.adjoint(edges * tv / (edges.square().sum((0, 1), keepdim=True) + edge**2).sqrt())
        torch.testing.assert_close(y - x - l2 * (x - start) - flow, torch.zeros_like(y), rtol=0, atol=1e-5)
    smooth = recon.model_based(y, IdentityOp(), lambda x: x, y, l2=0.0, tv=0.5)
    assert smooth.std() < 0.1 * y.std()


def test_many_steps_with_a_steep_fall() -> None:
    y = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    x = recon.model_based(
        y, IdentityOp(), lambda x: x, torch.zeros_like(y), l2=1e-3, tv=1e-6, alpha_factor=0.1, max_iter=400
    )
    torch.testing.assert_close(x, y, rtol=0, atol=0.01)


def test_bad_input_of_variable_flip_angles_is_named() -> None:
    t1, _, _, encoding, kspace = object_and_data(16, 2)
    field = torch.ones_like(t1)
    field[0, 2] = float("nan")
    for error, arguments, message in (
        (ValueError, {"b1": field}, r"b1: expected finite values, got nan at index \(0, 2\)"),
        (ValueError, {"b1": torch.ones(3, 16)}, r"b1: expected a shape that broadcasts to \(16, 16\), got \(3, 16\)"),
        (TypeError, {"b1": "map"}, r"b1: expected a tensor \(\*im\) or a finite number, got 'map'"),
        (TypeError, {"b1": field + 0j}, "b1: expected real values, got torch.complex64"),
        (ValueError, {"flip_angle": FLIPS[:2]}, r"flip_angle: expected 6 angles \[rad\], one per image, got 2"),
        (TypeError, {"flip_angle": 0.1}, r"flip_angle: expected 6 angles \[rad\], one per image, got 0.1"),
    ):
        with pytest.raises(error, match=message):
            recon.t1_vfa(kspace, encoding, repetition_time=TR, **({"flip_angle": FLIPS} | arguments))
    kspace[1, 2, 3, 4] = float("nan")
    with pytest.raises(ValueError, match=r"kspace: expected finite values, got .*nan.* at index \(1, 2, 3, 4\)"):
        recon.t1_vfa(kspace, encoding, FLIPS, TR)


def test_fields_and_angles_are_numbers_or_tensors() -> None:
    *_, encoding, kspace = object_and_data(16, 2)
    plain = recon.t1_vfa(kspace, encoding, FLIPS, TR, b1=torch.full((16, 16), 0.9), max_iter=2)
    short = recon.t1_vfa(kspace, encoding, FLIPS.tolist(), TR, b1=0.9, max_iter=2)
    assert torch.equal(plain[0], short[0]) and torch.equal(plain[1], short[1])
    with pytest.warns(UserWarning, match="flip_angle: expected radians, got 20"):
        recon.t1_vfa(kspace, encoding, torch.rad2deg(FLIPS), TR, max_iter=0)


@pytest.mark.slow
def test_measured_brain(data_dir) -> None:
    """Undersampled three times, T1 stays near that of all data, and in the range of the literature (3 T: white matter
    0.8-1.1 s, grey matter 1.3-1.8 s; Bojorquez et al. 2017)."""
    scan = np.load(data_dir / "vfa_cart_brain" / "brain_vfa_10fa_4vc.npz")
    kspace, csm, b1 = (torch.from_numpy(scan[name]) for name in ("kspace", "csm", "b1_rel"))
    flips, tr = torch.deg2rad(torch.from_numpy(scan["flip_deg"]).float()), 1e-3 * float(scan["TR_ms"])
    image = SenseOp(csm).H(kspace).abs().mean(0)
    brain = image > 0.3 * image.max()
    mask = torch.stack([trajectories.mask_random(image.shape, 3, acs=16, seed=i) for i in range(len(flips))])
    settings = {"b1": b1, "l2": 1e-4, "tv": 1e-4, "max_iter": 6, "cg_iter": 15}
    full, _ = recon.t1_vfa(kspace, SenseOp(csm), flips, tr, **settings)
    sparse, _ = recon.t1_vfa(kspace * mask[:, None], SenseOp(csm, mask), flips, tr, **settings)
    assert 0.8 < full[brain].median() < 1.8
    assert ((sparse - full).abs() / full)[brain].median() < 0.15
