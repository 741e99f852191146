"""The Bloch-McConnell equations on NumPy and CuPy arrays: isochromats with two pools that exchange magnetization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mriops._native.bloch_exchange_shapes import BLOCH_EXCHANGE, EXCHANGE_ARGUMENTS, pack_exchange
from mriops._native.bloch_shapes import GAMMA

from ._call import array_module, call
from .bloch import _accumulate, _array

__all__ = ["bloch_exchange"]

_NEEDED = ("dt", "fraction", "exchange_rate")


def bloch_exchange(
    rf: Any,
    gradient: Any,
    dt: Any,
    position: Any,
    t1: Any,
    t2: Any,
    t1_b: Any,
    t2_b: Any,
    fraction: Any,
    exchange_rate: Any,
    off_resonance_b: Any = None,
    off_resonance: Any = None,
    b1: Any = None,
    magnetization: Any = None,
    velocity: Any = None,
    *,
    record: Sequence[int] | None = None,
    multi_transmit: bool = False,
    gamma: float = GAMMA,
) -> Any:
    """Magnetization of isochromats with two pools that exchange it, after a waveform of RF and gradients.

    The Bloch-McConnell equations: each pool p = a, b precesses, nutates and relaxes as in :func:`bloch`, towards its
    equilibrium ``1 - fraction`` or ``fraction``, and loses ``k_ab M_a`` or ``k_ba M_b`` to the other, where
    ``k_ab = exchange_rate fraction`` and ``k_ba = exchange_rate (1 - fraction)``. Each step relaxes and exchanges for
    half its time, turns each pool about the axis of its own field, and relaxes and exchanges for the other half. All
    three are exact, also for exchange that is fast against a step; as a whole a step has an error of order
    ``dt^3``, and the simulation of order ``dt^2``, while ``off_resonance_b dt`` and the angles of nutation are below 1.

    Parameters
    ----------
    rf
        RF waveform ``(*batch, steps)`` [T], complex: real part along x, imaginary part along y. With ``multi_transmit``
        ``(*batch, channels, steps)``. Its precision is that of the simulation.
    gradient
        ``(*batch, steps, axes)`` [T/m], or ``None``. The axes are those of position, in any order and number.
    dt
        Duration of each step ``(*batch, steps)`` or of all [s].
    position
        ``(*batch, spins, axes)`` [m], or ``None`` without gradient.
    t1, t2
        Relaxation times of pool a without exchange, ``(*batch, spins)`` or one for all [s]; ``None`` or infinity for no
        relaxation. Zero relaxes at once (below 1e-8 s is taken as that), and what is negative or NaN makes its
        isochromat NaN, and no other one, gradients included.
    t1_b, t2_b
        Those of pool b.
    fraction
        Share of pool b in the equilibrium magnetization, ``(*batch, spins)`` or one for all. Values outside 0 to 1 are
        continued smoothly, for the sake of fits on their way.
    exchange_rate
        ``k_ab + k_ba``, ``(*batch, spins)`` or one for all [1/s]; a negative one makes its isochromat NaN.
    off_resonance_b
        Chemical shift of pool b against pool a, ``(*batch, spins)`` or one for all [Hz]; ``None`` is zero.
    off_resonance
        Of both pools, ``(*batch, spins)`` or one for all [Hz]; ``None`` is zero.
    b1
        Relative transmit sensitivity ``(*batch, spins)``, complex or real; ``None`` is one. With ``multi_transmit``
        ``(*batch, channels, spins)``: the field is ``sum_c b1[c] rf[c]``.
    magnetization
        At the start, ``(*batch, spins, 2, 3)``; ``None`` is equilibrium.
    velocity
        ``(*batch, spins, axes)`` [m/s]: the position is ``position + t velocity``, t from the start of the waveform.
    record
        Numbers of steps after which the magnetization is wanted, increasing, 0 for the start. ``None``: after the last
        step, without an axis for it.
    multi_transmit
        Whether rf and b1 have an axis of channels.
    gamma
        Gyromagnetic ratio [Hz/T], the proton's by default.

    Returns
    -------
    ndarray
        Mx, My, Mz of pools a and b: ``(*batch, spins, 2, 3)`` after the last step, or ``(*batch, records, spins, 2,
        3)``. Batches of all arguments broadcast.

    Raises
    ------
    TypeError
        A dtype that does not fit; an argument that is no array.
    ValueError
        Shapes that do not fit, empty axes, a gradient without position, steps that do not exist.

    References
    ----------
    McConnell HM. Reaction rates by nuclear magnetic resonance. J Chem Phys 1958;28:430-431. Strang G. On the
    construction and comparison of difference schemes. SIAM J Numer Anal 1968;5:506-517.
    """
    given = (rf, gradient, dt, position, t1, t2, t1_b, t2_b, fraction, exchange_rate)
    given += (off_resonance_b, off_resonance, b1, magnetization, velocity)
    found: dict[str, Any] = {"rf": _array("rf", rf, None, True)}
    for name, value in zip(EXCHANGE_ARGUMENTS[1:], given[1:], strict=True):
        absent = value is None and name not in _NEEDED
        found[name] = None if absent else _array(name, value, found["rf"], name == "b1")
    xp = array_module(found["rf"])
    zero = xp.zeros((), dtype=found["dt"].dtype)
    waveform, spins, start, parameters = pack_exchange(
        xp, found, zero, record, _accumulate, multi_transmit=multi_transmit, gamma=gamma
    )
    states = call(BLOCH_EXCHANGE, (waveform, spins, start), parameters)
    states = states.reshape((*states.shape[:-1], 2, 3))
    return states if record is not None else states[..., 0, :, :, :]
