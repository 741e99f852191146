"""Arguments that are no arrays, and things that are no tensors: every door names what it refuses, and says why."""

import math

import numpy as np
import pytest
import torch

from mriops import array, calibration, io, metrics, operators, ops, phantoms, recon, signals, solvers, trajectories
from mriops._native.arguments import integer, number, numbers, sizes


@pytest.mark.parametrize(
    "value", [0.5, 1, np.float32(0.5), np.int64(2), torch.tensor(0.5), torch.tensor(3), np.array(0.5)]
)
def test_numbers_of_all_kinds(value):
    found = number("x", value, "a number")
    assert type(found) is float and found == float(value)


@pytest.mark.parametrize(
    "value", ["1", None, True, 1j, [1.0], np.complex64(1), torch.ones(2), torch.ones(1), np.ones(1), torch.tensor(1j)]
)
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match=r"^x: expected a number, got "):
        number("x", value, "a number")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_do_not_fit(value):
    with pytest.raises(ValueError, match=f"^x: expected a finite number, got {value}"):
        number("x", value, "a finite number")


def test_sequences_of_numbers():
    assert numbers("x", np.array([1, 2.5]), "numbers") == (1.0, 2.5)
    assert numbers("x", torch.tensor([1.5]), "numbers") == (1.5,)
    for value in ("12", 3.0, None, np.ones((2, 2)), ["a"]):
        with pytest.raises(TypeError, match=r"^x: expected numbers, got "):
            numbers("x", value, "numbers")
    with pytest.raises(ValueError, match=r"^x: expected numbers, got none"):
        numbers("x", (), "numbers")


def test_integers():
    assert [integer("n", value, 0) for value in (0, np.int32(3), torch.tensor(2))] == [0, 3, 2]
    not_whole = (np.array(1.5), np.True_, np.array([1]), torch.tensor(1.5), torch.tensor(True), torch.tensor([1]))
    for value in (1.0, "1", True, None, [1], *not_whole):
        with pytest.raises(TypeError, match=r"^n: expected an integer >= 0, got "):
            integer("n", value, 0)
    with pytest.raises(ValueError, match=r"^n: expected an integer >= 0, got -1"):
        integer("n", -1, 0)


def test_sizes():
    assert sizes("s", torch.Size([3, 4]), "two", 2) == sizes("s", np.array([3, 4]), "two", 2) == (3, 4)
    for value in ("34", 3, None, (3.0, 4), (True, 2), torch.tensor([3.5, 4.0]), np.array([True, True])):
        with pytest.raises(TypeError, match=r"^s: expected two, got "):
            sizes("s", value, "two", 2)
    for value in ((3,), (3, 0), (3, 4, 5)):
        with pytest.raises(ValueError, match=r"^s: expected two, got \(3"):
            sizes("s", value, "two", 2)


def test_long_values_are_cut_short():
    with pytest.raises(TypeError, match=r"got ndarray of shape \(2, 3\)$"):
        number("x", np.ones((2, 3)), "a number")
    with pytest.raises(TypeError) as caught:
        number("x", list(range(1000)), "a number")
    assert len(str(caught.value)) < 150


IM = (8, 8)
CSM = phantoms.fourier_coils(2).maps(IM)
KSPACE = torch.ones(2, *IM, dtype=torch.complex64)
RADIAL = trajectories.radial(IM, 4)
SHOTS = torch.ones(2, *RADIAL.shape[:-1], dtype=torch.complex64)
ONE = torch.ones(3)


def fse(**changed):
    return ops.epg_fse(**{"flip_angle": ONE, "t1": ONE, "t2": 0.1, "echo_spacing": 0.01, **changed})


def array_fse(**changed):
    one = np.ones(3)
    return array.epg_fse(**{"flip_angle": one, "t1": one, "t2": 0.1, "echo_spacing": 0.01, **changed})


def double(x):
    return 2 * x


def descend(**changed):
    return solvers.irgnm(**{"model": double, "adjoint_data": ONE, "x0": ONE, "max_iter": 1, **changed})


def noisy(**changed):
    return phantoms.add_noise(KSPACE, **{"sigma": 1.0, **changed})


def off_resonance(**changed):
    return operators.OffResonanceOp(operators.SenseOp(CSM), torch.ones(IM), torch.linspace(0, 1e-3, 8), **changed)


def along(**changed):
    return recon.noncartesian_sense(**{"kspace": SHOTS, "trajectory": RADIAL, "im_size": IM, "csm": CSM, **changed})


def espirit(**changed):
    return calibration.espirit(KSPACE, **{"acs": 8, "kernel_size": 3, **changed})


def replicas(**changed):
    def total(k):
        return k.sum(0)

    given = {"kspace": KSPACE, "mask": torch.ones(IM), "n_replicas": 2, **changed}
    return metrics.gfactor_pseudo_replica(total, total, **given)


TYPE_ERRORS = [
    ("epg, a word", lambda: fse(flip_angle="90"), "flip_angle: expected torch.Tensor or numbers, got builtins.str"),
    ("epg, nothing", lambda: fse(echo_spacing=None), "echo_spacing: expected torch.Tensor or numbers, got"),
    ("epg, an atom's", lambda: fse(b1="1"), "b1: expected torch.Tensor or numbers, got builtins.str"),
    ("epg, profile", lambda: fse(slice_profile=3), "slice_profile: expected finite numbers, got 3"),
    ("epg, jacobian", lambda: fse(jacobian=1), "jacobian: expected names of arguments, got 1"),
    ("array, a word", lambda: array_fse(flip_angle="90"), "flip_angle: expected numpy.ndarray, .* got str"),
    ("array, a list", lambda: array_fse(b1=[1.0, 1.0, 1.0]), "b1: expected numpy.ndarray, .* got list"),
    ("eps", lambda: ops.nufft(KSPACE, RADIAL.flatten(0, 1), eps=None), "eps: expected a number, got None"),
    ("mask size", lambda: trajectories.mask_equispaced((8.5, 8), 2), r"im_size: expected \(y, x\).* got \(8.5, 8\)"),
    ("rate", lambda: trajectories.mask_equispaced(IM, None), "acceleration: expected an int or 1 of them, got None"),
    ("seed of", lambda: trajectories.mask_poisson(IM, 2, seed=0.5), "seed: expected an integer >= 0, got 0.5"),
    ("frames", lambda: trajectories.mask_poisson(IM, 2, frames="2"), "frames: expected a positive int, got '2'"),
    ("part", lambda: trajectories.mask_poisson(IM, 2, partial_fourier=None), r"partial_fourier: expected in \(0.5"),
    ("size", lambda: trajectories.radial("88", 4), r"im_size: expected 2 positive ints"),
    ("length", lambda: trajectories.epi(IM, field_of_view=None), "field_of_view: expected a positive length"),
    (
        "limits",
        lambda: trajectories.epi(IM, field_of_view=0.2, limits=1.0),
        "limits: expected GradientLimits, got float",
    ),
    (
        "dtype",
        lambda: trajectories.epi(IM, field_of_view=0.2, dtype="f4"),
        "dtype: expected a real floating-point torch.dtype, got str",
    ),
    ("dwell", lambda: trajectories.spiral(IM, 2, field_of_view=0.2, dwell="1"), "dwell: expected a positive number"),
    ("density", lambda: trajectories.spiral(IM, 2, field_of_view=0.2, density=None), "density: expected a function"),
    ("dcf", lambda: trajectories.dcf_pipe(RADIAL.tolist(), IM), "trajectory: expected a torch.Tensor, got list"),
    ("slew", lambda: trajectories.gradient_and_slew(RADIAL.numpy(), 0.2, 1e-5), "trajectory: expected a torch.Tensor"),
    ("complex", lambda: trajectories.gradient_and_slew(RADIAL * 1j, 0.2, 1e-5), "trajectory: expected a real"),
    ("Fourier", lambda: operators.FourierOp((8.5, 8)), r"im_size: expected one to three positive ints, got \(8.5, 8\)"),
    ("wavelet", lambda: operators.WaveletOp()(np.ones(IM)), "x: expected a torch.Tensor, got ndarray"),
    ("scalar", lambda: operators.ScaledOp("2", operators.IdentityOp()), "scalar: expected a number or .* got str"),
    ("scaled", lambda: operators.ScaledOp(2.0, double), "op: expected a LinearOperator, got function"),
    ("off resonance", lambda: off_resonance(eps=None), "eps: expected 0 < eps < 1, got None"),
    ("tol", lambda: solvers.cg(double, ONE, tol="small"), "tol: expected a finite number >= 0, got 'small'"),
    ("damping", lambda: solvers.cg(double, ONE, damping=None), "damping: expected a finite number >= 0 or a tensor"),
    ("callback", lambda: solvers.cg(double, ONE, callback=1), "callback: expected a callable or None, got int"),
    ("lsqr", lambda: solvers.lsqr(double, double, ONE, damping=1j), "damping: expected a finite number >= 0"),
    ("model", lambda: descend(model=None), "model: expected a callable, got NoneType"),
    ("alpha", lambda: descend(alpha="1"), "alpha: expected a finite number >= 0, got '1'"),
    ("complex data", lambda: descend(adjoint_data=ONE + 0j), "adjoint_data: expected real data, as"),
    ("blocks", lambda: signals.Sequence(3), "blocks: expected an iterable of Block, got int"),
    ("duration", lambda: signals.Block("1"), "duration: expected a time >= 0"),
    ("samples", lambda: signals.Adc(2.5, 1e-5), "samples: expected at least 1, got 2.5"),
    ("phase", lambda: signals.Adc(2, 1e-5, phase="90"), r"phase: expected a finite number \[rad\]"),
    (
        "frequency",
        lambda: signals.RfPulse(np.ones(1), np.arange(2) * 1e-5, frequency=1j),
        "frequency: expected a finite",
    ),
    ("edges", lambda: signals.RfPulse(np.ones(1), np.arange(2) * 1e-5j), "edges: expected real times, got complex128"),
    ("sequence", lambda: signals.simulate(None, ONE, 1.0, 0.1, ONE), "sequence: expected a Sequence, got NoneType"),
    ("field", lambda: signals.fat_spectrum("3"), r"field_strength: expected a positive number \[T\], got '3'"),
    ("rss ndim", lambda: calibration.rss(KSPACE, ndim="2"), "ndim: expected an integer >= 1, got '2'"),
    (
        "rss integers",
        lambda: calibration.rss(torch.ones(2, 8, 8, dtype=torch.int64)),
        "coil_images: expected a floating",
    ),
    ("acs", lambda: calibration.extract_acs(KSPACE, 2.5), "acs: expected a positive width, got 2.5"),
    ("acs of", lambda: calibration.extract_acs(None, 4), "kspace: expected a torch.Tensor, got NoneType"),
    ("noise", lambda: calibration.prewhiten(KSPACE, "noise"), "noise: expected a torch.Tensor or None, got str"),
    ("window", lambda: calibration.walsh(KSPACE, window=2.5), "window: expected an odd positive int"),
    ("walsh", lambda: calibration.walsh(KSPACE, tol=None), "tol: expected a number >= 0, got None"),
    (
        "covariance",
        lambda: calibration.walsh(KSPACE, noise_covariance=[1]),
        "noise_covariance: expected a torch.Tensor",
    ),
    (
        "covariance of",
        lambda: calibration.prewhiten(KSPACE, covariance=np.eye(2)),
        "covariance: expected a torch.Tensor",
    ),
    ("to whiten", lambda: calibration.whitening_matrix([[1.0]]), "covariance: expected a torch.Tensor, got list"),
    (
        "whole covariance",
        lambda: calibration.whitening_matrix(torch.eye(2, dtype=torch.int64)),
        "covariance: expected torch.float32, .* got torch.int64",
    ),
    ("kernel", lambda: espirit(kernel_size=2.5), "kernel_size: expected a positive int or 2 of them, got"),
    ("kernels", lambda: espirit(kernel_size=(2.5, 3)), "kernel_size: expected a positive int or 2 of them, got"),
    ("threshold", lambda: espirit(threshold=None), "threshold: expected 0 <= threshold < 1, got None"),
    ("crop", lambda: espirit(crop=[0.8]), r"crop: expected 0 <= crop <= 1, got \[0.8\]"),
    ("espirit steps", lambda: espirit(max_iter=None), "max_iter: expected a positive int, got None"),
    ("espirit tol", lambda: espirit(tol="a"), "tol: expected a positive number, got 'a'"),
    ("espirit maps", lambda: espirit(n_maps=1.0), "n_maps: expected an int from 1 to the number of coils 2, got 1.0"),
    ("coils", lambda: phantoms.FourierCoils([1.0]), "coefficients: expected a torch.Tensor, got list"),
    ("residual", lambda: phantoms.FourierCoils(CSM[:, :3, :3], residual="0"), "residual: expected a number >= 0"),
    ("polygon", lambda: phantoms.Polygon("abc"), "vertices: expected coordinates of points, got str"),
    ("seed", lambda: noisy(seed=0.5), "seed: expected an integer, got 0.5"),
    ("sigma", lambda: noisy(sigma="1"), "sigma: expected a finite number >= 0, got '1'"),
    ("noise mask", lambda: noisy(mask=np.ones(IM)), "mask: expected a torch.Tensor or None, got ndarray"),
    ("range", lambda: metrics.psnr(ONE, ONE, ndim=1, data_range="1"), "data_range: expected positive values"),
    ("metric ndim", lambda: metrics.nrmse(ONE, ONE, ndim=None), "ndim: expected 1, 2 or 3, got None"),
    ("g of", lambda: metrics.gfactor(CSM.numpy(), 2), "csm: expected a torch.Tensor, got ndarray"),
    ("g of real maps", lambda: metrics.gfactor(CSM.real, 2), "csm: expected dtype complex64 or complex128, got"),
    ("g at", lambda: metrics.gfactor(CSM, 2.5), "acceleration: expected a positive int or 2 of them, got 2.5"),
    ("g along", lambda: metrics.gfactor(CSM, (2.5, 1)), r"acceleration: expected a positive int .* got \(2.5, 1\)"),
    ("g with", lambda: metrics.gfactor(CSM, 2, noise_covariance=1.0), "noise_covariance: expected a torch.Tensor"),
    ("replicas", lambda: replicas(n_replicas=2.5), "n_replicas: expected an integer >= 2, got 2.5"),
    ("replica seed", lambda: replicas(seed="1"), "seed: expected an integer, got '1'"),
    ("replica mask", lambda: replicas(mask=np.ones(IM)), "mask: expected a torch.Tensor, got ndarray"),
    ("replica of", lambda: replicas(kspace=KSPACE.numpy()), "kspace: expected a torch.Tensor, got ndarray"),
    ("sense of", lambda: recon.sense(KSPACE.numpy()), "kspace: expected a torch.Tensor, got ndarray"),
    ("sense maps", lambda: recon.sense(KSPACE, csm=CSM, n_maps="2"), "n_maps: expected an integer >= 1, got '2'"),
    ("sense ndim", lambda: recon.sense(KSPACE, csm=CSM, ndim=None), "ndim: expected an integer >= 1, got None"),
    (
        "width",
        lambda: recon.estimate_csm(KSPACE, method="walsh", acs=2.5),
        r"acs: expected a positive width or 2 of them \(one per spatial axis\), got",
    ),
    ("cfl", lambda: io.write_cfl(None, "never"), "array: expected an array of numbers, got NoneType"),
    ("rss", lambda: recon.rss(KSPACE.tolist()), "kspace: expected a torch.Tensor, got list"),
    ("samples along", lambda: along(kspace=None), "kspace: expected a torch.Tensor, got NoneType"),
    ("size along", lambda: along(im_size=(8.5, 8)), r"im_size: expected \(y, x\).* got \(8.5, 8\)"),
    ("weights along", lambda: along(dcf=[1.0]), "dcf: expected a torch.Tensor or None, got list"),
    ("l2 along", lambda: along(l2=None), "l2: expected a number >= 0, got None"),
]
VALUE_ERRORS = [
    ("array, ndim", lambda: array.sense(KSPACE.numpy()[0], CSM.numpy(), ndim=[2]), r"ndim: expected 2 or 3, got \[2\]"),
    ("profile", lambda: array_fse(slice_profile=()), "slice_profile: expected finite numbers, got none"),
    ("weights", lambda: fse(slice_profile=(1, 1), slice_weights=(1,)), "slice_weights: expected 2 numbers, got 1"),
    (
        "times",
        lambda: ops.signal_look_locker(1.0, ONE, torch.ones(3, 3), 0.1, 0.01),
        r"time: expected shape \(times,\)",
    ),
    ("dwell", lambda: trajectories.gradient_and_slew(RADIAL, 0.2, math.inf), "dwell: expected a positive time"),
    (
        "densities",
        lambda: trajectories.spiral(IM, 2, field_of_view=0.2, density=(1, 2, 3)),
        "density: expected .* got 3",
    ),
    ("ndim", lambda: calibration.rss(KSPACE, ndim=0), "ndim: expected an integer >= 1, got 0"),
    ("iterations", lambda: calibration.walsh(KSPACE, max_iter=-1), "max_iter: expected an integer >= 1, got -1"),
    ("tol", lambda: calibration.walsh(KSPACE, tol=-1.0), "tol: expected a number >= 0, got -1.0"),
    (
        "covariances",
        lambda: calibration.walsh(KSPACE, noise_covariance=torch.eye(2).expand(3, 2, 2)),
        r"noise_covariance: expected batch axes that broadcast to \(\), got \(3, 2, 2\)",
    ),
    ("coils", lambda: phantoms.FourierCoils(CSM[:, :3, :3] * math.nan), "coefficients: expected at least one coil of"),
    ("no coils", lambda: phantoms.add_noise(KSPACE[:0], sigma=1.0), "kspace: expected at least one coil, got shape"),
    ("sigma", lambda: noisy(sigma=-1.0), "sigma: expected a finite number >= 0, got -1.0"),
    ("mask", lambda: noisy(mask=torch.ones(3, *IM)), r"mask: expected a shape that broadcasts to \(8, 8\)"),
    ("range", lambda: metrics.psnr(ONE, ONE, ndim=1, data_range=ONE), "data_range: expected a number or a shape"),
    ("dwell of", lambda: signals.Adc(2, math.inf), r"dwell: expected a positive time \[s\], got inf"),
    ("cg iterations", lambda: descend(cg_iter=-1), "cg_iter: expected an integer >= 0, got -1"),
    ("cg tolerance", lambda: descend(cg_tol=math.nan), "cg_tol: expected a finite number >= 0, got nan"),
]
CASES = [(TypeError, *case) for case in TYPE_ERRORS] + [(ValueError, *case) for case in VALUE_ERRORS]


@pytest.mark.parametrize("error, call, message", [(e, c, m) for e, _, c, m in CASES], ids=[case[1] for case in CASES])
def test_doors(error, call, message):
    with pytest.raises(error, match=f"^{message}"):
        call()
