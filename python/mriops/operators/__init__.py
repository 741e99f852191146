"""Linear operators as torch modules, and their algebra (floor F4).

May import ``mriops._native``, ``mriops.ops``, ``mriops.solvers`` and torch. An operator maps one tensor to one tensor,
acts on all leading axes that it does not know as a batch, and offers ``A(x)``, ``A.H(y)``, ``A.gram(x)``, ``A @ B``,
``A + B``, ``2 * A``.
"""

from mriops.operators.adapters import from_deepinv, from_scipy, from_sigpy, to_deepinv, to_scipy, to_sigpy
from mriops.operators.algebra import AdjointOp, ComposedOp, GramOp, LinearOperator, ScaledOp, SumOp
from mriops.operators.coil import CoilOp
from mriops.operators.diagonal import DiagonalOp, IdentityOp
from mriops.operators.finite_difference import FiniteDifferenceOp
from mriops.operators.fourier import FourierOp
from mriops.operators.function import FunctionOp
from mriops.operators.nufft import NufftOp
from mriops.operators.off_resonance import OffResonanceOp
from mriops.operators.sense import SenseOp
from mriops.operators.stack import StackOp
from mriops.operators.stack_of_planes import StackOfPlanesOp
from mriops.operators.subspace import SubspaceNufftOp
from mriops.operators.temporal_basis import SubspaceOp
from mriops.operators.wavelet import WaveletOp

__all__ = [
    "AdjointOp",
    "CoilOp",
    "ComposedOp",
    "DiagonalOp",
    "FiniteDifferenceOp",
    "FourierOp",
    "FunctionOp",
    "GramOp",
    "IdentityOp",
    "LinearOperator",
    "NufftOp",
    "OffResonanceOp",
    "ScaledOp",
    "SenseOp",
    "StackOfPlanesOp",
    "StackOp",
    "SubspaceNufftOp",
    "SubspaceOp",
    "SumOp",
    "WaveletOp",
    "from_deepinv",
    "from_scipy",
    "from_sigpy",
    "to_deepinv",
    "to_scipy",
    "to_sigpy",
]
