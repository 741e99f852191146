"""Adapters against the packages themselves."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mriops
from mriops.operators import (
    FourierOp,
    FunctionOp,
    IdentityOp,
    SenseOp,
    from_deepinv,
    from_scipy,
    from_sigpy,
    to_deepinv,
    to_scipy,
    to_sigpy,
)
from mriops.ops import reference
from mriops.solvers import cg, lsqr
from mriops.testing import check_linear_operator

COILS, IM_SIZE = 4, (8, 6)


def random(*shape, seed=0, dtype=torch.complex64):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.fixture
def op():
    mask = torch.tensor([True, False, True, True, True, True, False, True])[:, None]
    return SenseOp(random(COILS, *IM_SIZE), mask)


@pytest.fixture
def kspace(op):
    return op(random(*IM_SIZE, seed=1)) + 0.1 * random(COILS, *IM_SIZE, seed=2)


def close(a, b, tol=1e-5):
    """Results of single precision after a few transforms of 48 points: 1e-5 is 80 eps."""
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    assert a.dtype == b.dtype and a.shape == b.shape
    assert torch.linalg.vector_norm(a - b) <= tol * torch.linalg.vector_norm(b)


class TestScipy:
    @pytest.fixture(autouse=True)
    def linalg(self):
        return pytest.importorskip("scipy.sparse.linalg")

    def test_products_and_adjoint(self, op):
        theirs = to_scipy(op)
        assert theirs.shape == (COILS * 48, 48) and theirs.dtype == np.complex64
        x, y = random(*IM_SIZE), random(COILS, *IM_SIZE, seed=1)
        close(theirs @ x.flatten().numpy(), op(x).flatten())
        close(theirs.H @ y.flatten().numpy(), op.H(y).flatten())
        close(theirs @ np.eye(48)[:, :3], op(torch.eye(48)[:3].view(3, *IM_SIZE) + 0j).reshape(3, -1).mT.contiguous())

    def test_their_solver_finds_our_solution(self, op, kspace, linalg):
        wide = op.double()
        right = kspace.to(torch.complex128)
        theirs = linalg.lsqr(to_scipy(wide), right.flatten().numpy(), damp=0.3, atol=1e-12, btol=1e-12)[0]
        close(theirs.reshape(IM_SIZE), lsqr(wide, wide.H, right, damping=0.3**2, tol=1e-12), 1e-8)

    def test_their_eigenvalues(self, op, linalg):
        wide = op.double()
        dense = reference.sense_gram(torch.eye(48).view(48, *IM_SIZE) + 0j, op.csm, op.mask).reshape(48, 48)
        value = linalg.eigsh(to_scipy(wide.gram), k=1, return_eigenvectors=False)[0]
        assert value == pytest.approx(float(torch.linalg.eigvalsh(dense)[-1]), rel=1e-9)

    def test_given_shapes_and_dtype(self):
        theirs = to_scipy(FourierOp(), (3, 5), dtype=torch.complex128)
        assert theirs.shape == (15, 15) and theirs.dtype == np.complex128
        with pytest.raises(ValueError, match="domain_shape: expected a shape"):
            to_scipy(FourierOp())
        with pytest.raises(ValueError, match=r"range_shape: expected \(3, 5\), the shape of A\(x\), got \(5, 3\)"):
            to_scipy(FourierOp(), (3, 5), (5, 3))
        with pytest.raises(TypeError, match="op: expected a mriops LinearOperator, got int"):
            to_scipy(3)

    def test_back(self, op):
        ours = from_scipy(to_scipy(op), op.domain_shape, op.range_shape)
        check_linear_operator(ours, pickles=False)
        x = random(2, *IM_SIZE)
        close(ours(x), op(x))

    def test_from_matrices(self):
        sparse = pytest.importorskip("scipy.sparse")
        matrix = sparse.random_array((6, 8), density=0.4, rng=np.random.default_rng(0))
        for given in (matrix, matrix.toarray()):
            ours = from_scipy(given, domain_shape=(2, 4))
            check_linear_operator(ours, dtype=torch.float64, pickles=False)
            check_linear_operator(ours, (3, 2, 4), dtype=torch.complex128, pickles=False)
        x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(ours, (x,), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(ours, (x,))
        with pytest.raises(ValueError, match=r"domain_shape: expected 8 elements, got \(3, 4\)"):
            from_scipy(matrix, (3, 4))
        with pytest.raises(ValueError, match=r"x: expected trailing axes \(2, 4\), got shape \(4, 2\)"):
            ours(torch.ones(4, 2))


class TestSigpy:
    @pytest.fixture(autouse=True)
    def sigpy(self):
        return pytest.importorskip("sigpy")

    def test_products_adjoint_and_normal(self, op):
        theirs = to_sigpy(op)
        assert tuple(theirs.ishape) == IM_SIZE and tuple(theirs.oshape) == (COILS, *IM_SIZE)
        x, y = random(*IM_SIZE), random(COILS, *IM_SIZE, seed=1)
        close(theirs * x.numpy(), op(x))
        close(theirs.H * y.numpy(), op.H(y))
        close(theirs.N * x.numpy(), op.gram(x))
        close(theirs.N.H * x.numpy(), op.gram(x))
        close((2 * theirs.H * theirs) * x.numpy(), 2 * op.gram(x))

    def test_is_their_sense_operator(self, op, sigpy):
        mri = pytest.importorskip("sigpy.mri.linop")
        weights = op.mask.expand(IM_SIZE).numpy().astype(np.float32)
        theirs = mri.Sense(op.csm.numpy(), weights=weights[None])
        x = random(*IM_SIZE).numpy()
        close(to_sigpy(op) * x, theirs * x)

    def test_their_solver_finds_our_solution(self, op, kspace, sigpy):
        theirs = sigpy.app.LinearLeastSquares(
            to_sigpy(op.double()),
            kspace.numpy().astype(np.complex128),
            lamda=0.3,
            max_iter=300,
            tol=1e-13,
            show_pbar=False,
        ).run()
        close(theirs, cg(op.gram, op.H(kspace.to(torch.complex128)), damping=0.3, tol=1e-13), 1e-8)

    def test_arrays_of_odd_memory(self, op):
        x = random(*IM_SIZE[::-1]).numpy().T[::-1]
        close(to_sigpy(op) * x, op(torch.from_numpy(x.copy())))
        frozen = random(*IM_SIZE).numpy()
        frozen.flags.writeable = False
        close(to_sigpy(op) * frozen, op(torch.from_numpy(frozen.copy())))

    def test_back(self, sigpy):
        linop = sigpy.linop.FFT((5, 6)) * sigpy.linop.Multiply((5, 6), random(5, 6).numpy())
        ours = from_sigpy(linop)
        assert ours.domain_shape == (5, 6)
        check_linear_operator(ours, dtype=torch.complex64, pickles=False)
        assert torch.autograd.gradcheck(ours, (random(5, 6, dtype=torch.complex128).requires_grad_(),))
        with pytest.raises(TypeError, match=r"linop: expected a sigpy\.linop\.Linop, got int"):
            from_sigpy(3)

    def test_failures(self):
        with pytest.raises(ValueError, match="domain_shape: expected a shape"):
            to_sigpy(IdentityOp())
        with pytest.raises(TypeError, match="op: expected a mriops LinearOperator"):
            to_sigpy(abs)


class TestDeepinv:
    @pytest.fixture(autouse=True)
    def deepinv(self):
        pytest.importorskip("benchmarks.peers.torchvision_stand_in").install()
        return pytest.importorskip("deepinv")

    @staticmethod
    def channels(x):
        return torch.stack((x.real, x.imag), 1)

    def test_is_their_multi_coil_operator(self, op, deepinv):
        theirs = deepinv.physics.MultiCoilMRI(
            mask=op.mask.expand(IM_SIZE).float(), coil_maps=op.csm[None], img_size=(1, 2, *IM_SIZE)
        )
        ours = to_deepinv(op)
        x = self.channels(random(3, *IM_SIZE))
        y = ours(x)
        assert y.shape == (3, 2, COILS, *IM_SIZE)
        close(y, theirs(x))
        close(ours.A_adjoint(y), theirs.A_adjoint(y))
        close(ours.A_adjoint_A(x), theirs.A_adjoint(theirs.A(x)))

    def test_their_adjoint_test_and_solver(self, op, deepinv):
        wide = op.double()
        ours = to_deepinv(wide, solver="CG", max_iter=300, tol=1e-12)
        x = self.channels(random(2, *IM_SIZE, dtype=torch.complex128))
        assert ours.adjointness_test(x) < 1e-12
        y = ours.A(x)
        got = ours.prox_l2(0 * x, y, gamma=4.0)
        expected = cg(wide.gram, wide.H(wide(torch.complex(x[:, 0], x[:, 1]))), damping=0.25, batch_ndim=1, tol=1e-13)
        close(got, self.channels(expected), 1e-6)

    def test_complex_without_channels_and_noise(self, op, deepinv):
        ours = to_deepinv(op, channels=False, noise_model=deepinv.physics.GaussianNoise(0.0))
        x = random(2, *IM_SIZE)
        close(ours.A(x), op(x))
        assert dict(ours.named_buffers()).keys() >= {"op.csm", "op.mask"}
        with pytest.raises(
            ValueError, match=r"x: expected a real tensor of shape \(batch, 2, \.\.\.\), got torch\.complex64"
        ):
            to_deepinv(op).A(x)
        with pytest.raises(TypeError, match="op: expected a mriops LinearOperator"):
            to_deepinv(3)

    def test_gradients_pass(self, op, deepinv):
        x = self.channels(random(2, *IM_SIZE, dtype=torch.complex128)).requires_grad_()
        assert torch.autograd.gradcheck(to_deepinv(op.double()).A, (x,))

    def test_back(self, op, deepinv):
        theirs = deepinv.physics.MultiCoilMRI(coil_maps=op.csm[None], img_size=(1, 2, *IM_SIZE))
        ours = from_deepinv(theirs)
        check_linear_operator(ours, (2, *IM_SIZE), pickles=False)
        close(ours(random(2, *IM_SIZE)), SenseOp(op.csm)(random(2, *IM_SIZE)))
        with pytest.raises(TypeError, match="physics: expected a deepinv LinearPhysics, got int"):
            from_deepinv(3)


@pytest.mark.parametrize(("adapter", "package"), [(to_scipy, "scipy"), (to_sigpy, "sigpy"), (to_deepinv, "deepinv")])
def test_missing_packages_are_named(adapter, package, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)

    class Absent:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name.split(".")[0] == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Absent, *sys.meta_path])
    with pytest.raises(
        ModuleNotFoundError, match=f"to_{package}: expected the package '{package}', which is not installed"
    ):
        adapter(FunctionOp(abs, abs, domain_shape=(1,)))


def test_importing_operators_imports_no_other_package():
    code = "import sys, mriops.operators; print({'scipy', 'sigpy', 'deepinv'} & set(sys.modules))"
    environment = os.environ | {"PYTHONPATH": str(Path(mriops.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()"


def test_a_real_argument_of_a_complex_matrix_has_a_real_gradient(recwarn):
    pytest.importorskip("scipy")
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    matrix = np.diag([1j, 2.0, 1 + 1j])
    from_scipy(matrix)(x).abs().square().sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([2.0, 8.0, 4.0], dtype=torch.float64))
    assert not [w for w in recwarn if "imaginary" in str(w.message)]


@pytest.mark.parametrize("name", ["Identity", "Reshape"])
def test_results_are_no_views_of_the_argument(name):
    linop = pytest.importorskip("sigpy.linop")
    theirs = linop.Identity((3,)) if name == "Identity" else linop.Reshape((1, 3), (3,))
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    y = from_sigpy(theirs)(x)
    loss = (x * x).sum()
    y.detach().add_(1)
    loss.backward()
    assert torch.equal(x.detach(), torch.ones(3).double()) and torch.equal(x.grad, 2 * torch.ones(3).double())


def test_transforms_over_a_batch():
    pytest.importorskip("scipy")
    matrix = random(4, 3)
    op, batch = from_scipy(matrix.numpy()), random(3, 5)
    close(torch.func.vmap(op, in_dims=1, out_dims=1)(batch), matrix @ batch)
    direction = random(3)
    tangents = torch.func.vmap(lambda x: torch.func.jvp(op, (x,), (direction,))[1], in_dims=1)(batch)
    close(tangents, (matrix @ direction).expand(5, 4))
    gradients = torch.func.vmap(torch.func.grad(lambda x: op(x).abs().square().sum()), in_dims=1)(batch)
    close(gradients, 2 * (matrix.mH @ matrix @ batch).T)
