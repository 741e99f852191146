"""The Bloch simulation on NumPy and CuPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mriops._native.bloch_pack import pack_magnetization, pack_spins, pack_waveform
from mriops._native.bloch_shapes import (
    ARGUMENTS,
    BLOCH,
    BLOCH_SIGNAL,
    BLOCH_SPINOR,
    GAMMA,
    bloch_layout,
    check_integrator,
    check_record,
)
from mriops._native.dtypes import COMPLEX_OF, REAL_OF

from ._call import array_facts, array_module, call

__all__ = ["bloch", "bloch_signal", "bloch_spinor"]


class _Packed(NamedTuple):
    waveform: Any
    spins: Any
    magnetization: Any
    receive: Any
    parameters: tuple


def _accumulate(x: Any) -> Any:
    return x.cumsum(-1, dtype="float64").astype(x.dtype)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)


def _array(name: str, value: Any, rf: Any, is_complex: bool) -> Any:
    """An argument as an array of rf's precision on its device."""
    if rf is not None and not is_complex and _is_number(value):
        return array_module(rf).asarray(value, dtype=REAL_OF[rf.dtype.name])
    facts = array_facts(name, value)
    if rf is None:
        if facts.dtype not in COMPLEX_OF:
            raise TypeError(f"{name}: expected complex64, complex128, float32 or float64, got {facts.dtype}")
        return value.astype(COMPLEX_OF[facts.dtype], copy=False)
    device = array_facts("rf", rf).device
    if facts.device != device:
        raise ValueError(f"{name}: expected device {device} (that of rf), got {facts.device}")
    if facts.dtype == "bool" or (value.dtype.kind == "c" and not is_complex):
        raise TypeError(f"{name}: expected a real {'or complex ' if is_complex else ''}dtype, got {facts.dtype}")
    return value.astype(rf.dtype if is_complex else REAL_OF[rf.dtype.name], copy=False)


def _pack(given: tuple, record: Sequence[int] | None, multi_transmit: bool, integrator: str, gamma: float) -> _Packed:
    rf = _array("rf", given[0], None, True)
    xp = array_module(rf)
    found: dict[str, Any] = {"rf": rf}
    for name, value in zip(ARGUMENTS[1:], given[1:], strict=True):
        found[name] = None if value is None and name != "dt" else _array(name, value, rf, name in ("b1", "receive"))
    shapes = {name: None if value is None else tuple(value.shape) for name, value in found.items()}
    layout = bloch_layout(shapes, multi_transmit=multi_transmit, gamma=gamma)
    zero = xp.zeros((), dtype=found["dt"].dtype)
    return _Packed(
        pack_waveform(xp, found, layout, _accumulate, channel_axis=multi_transmit, gamma=gamma),
        pack_spins(xp, found, layout, zero, channel_axis=multi_transmit),
        pack_magnetization(xp, found["magnetization"], layout, zero),
        found["receive"],
        (
            layout.channels,
            layout.axes,
            found["b1"] is not None,
            check_integrator(integrator),
            check_record(record, layout.steps),
        ),
    )


def bloch(
    rf: Any,
    gradient: Any,
    dt: Any,
    position: Any,
    t1: Any,
    t2: Any,
    off_resonance: Any = None,
    b1: Any = None,
    magnetization: Any = None,
    velocity: Any = None,
    *,
    record: Sequence[int] | None = None,
    multi_transmit: bool = False,
    integrator: str = "exact",
    gamma: float = GAMMA,
) -> Any:
    """Magnetization of isochromats after a waveform of RF and gradients.

    ``dM/dt = 2 pi M x (Re b, Im b, f) - (Mx, My, 0)/T2 - (0, 0, Mz - 1)/T1`` with ``b = gamma b1 rf`` and
    ``f = off_resonance + gamma gradient . position``: positive frequencies turn ``Mx + i My`` by ``exp(-2 pi i f t)``,
    and RF along x turns z towards y. Waveforms are constant within a step; relaxation is split symmetrically about the
    turn.

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
        ``(*batch, spins)`` or one for all [s]; ``None`` or infinity for no relaxation. Zero relaxes at once (below 1e-8
        s is taken as that), T2 > T1 is simulated as it is, and what is negative or NaN makes its isochromat NaN, and no
        other one, gradients included.
    off_resonance
        ``(*batch, spins)`` or one for all [Hz]; ``None`` is zero.
    b1
        Relative transmit sensitivity ``(*batch, spins)``, complex or real; ``None`` is one. With ``multi_transmit``
        ``(*batch, channels, spins)``: the field is ``sum_c b1[c] rf[c]``.
    magnetization
        At the start, ``(*batch, spins, 3)``; ``None`` is equilibrium (0, 0, 1).
    velocity
        ``(*batch, spins, axes)`` [m/s]: the position is ``position + t velocity``, t from the start of the waveform.
    record
        Numbers of steps after which the magnetization is wanted, increasing, 0 for the start. ``None``: after the last
        step, without an axis for it.
    multi_transmit
        Whether rf and b1 have an axis of channels.
    integrator
        ``"exact"`` turns about the axis of the whole field of each step. ``"split"`` turns for the precession and the
        nutation one after the other (Strang), with an error of order ``dt^2``; without b1, and while the gradient does
        not change, it is about three times as fast.
    gamma
        Gyromagnetic ratio [Hz/T], the proton's by default.

    Returns
    -------
    ndarray
        Mx, My, Mz: ``(*batch, spins, 3)`` after the last step, or ``(*batch, records, spins, 3)``. Batches of all
        arguments broadcast.

    Raises
    ------
    TypeError
        A dtype that does not fit; an argument that is no array.
    ValueError
        Shapes that do not fit, empty axes, a gradient without position, steps that do not exist.

    References
    ----------
    Bloch F. Nuclear induction. Phys Rev 1946;70:460-474. Strang G. On the construction and comparison of difference
    schemes. SIAM J Numer Anal 1968;5:506-517.
    """
    given = (rf, gradient, dt, position, t1, t2, off_resonance, b1, magnetization, velocity, None)
    packed = _pack(given, record, multi_transmit, integrator, gamma)
    states = call(BLOCH, packed[:3], packed.parameters)
    return states if record is not None else states[..., 0, :, :]


def bloch_signal(
    rf: Any,
    gradient: Any,
    dt: Any,
    position: Any,
    t1: Any,
    t2: Any,
    receive: Any,
    off_resonance: Any = None,
    b1: Any = None,
    magnetization: Any = None,
    velocity: Any = None,
    *,
    record: Sequence[int] | None = None,
    multi_transmit: bool = False,
    integrator: str = "exact",
    gamma: float = GAMMA,
) -> Any:
    """Signal of coils from isochromats under a waveform: ``s[c, j] = sum_r receive[c, r] (Mx + i My)[r, t_j]``.

    ``dM/dt = 2 pi M x (Re b, Im b, f) - (Mx, My, 0)/T2 - (0, 0, Mz - 1)/T1`` with ``b = gamma b1 rf`` and
    ``f = off_resonance + gamma gradient . position``: positive frequencies turn ``Mx + i My`` by ``exp(-2 pi i f t)``,
    and RF along x turns z towards y. Waveforms are constant within a step; relaxation is split symmetrically about the
    turn.
    With ``receive`` the coil maps times the proton density this is the k-space of a phantom.

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
        ``(*batch, spins)`` or one for all [s]; ``None`` or infinity for no relaxation. Zero relaxes at once (below 1e-8
        s is taken as that), T2 > T1 is simulated as it is, and what is negative or NaN makes its isochromat NaN, and no
        other one, gradients included.
    off_resonance
        ``(*batch, spins)`` or one for all [Hz]; ``None`` is zero.
    b1
        Relative transmit sensitivity ``(*batch, spins)``, complex or real; ``None`` is one. With ``multi_transmit``
        ``(*batch, channels, spins)``: the field is ``sum_c b1[c] rf[c]``.
    magnetization
        At the start, ``(*batch, spins, 3)``; ``None`` is equilibrium (0, 0, 1).
    velocity
        ``(*batch, spins, axes)`` [m/s]: the position is ``position + t velocity``, t from the start of the waveform.
    receive
        Coil sensitivities times proton density ``(*batch, coils, spins)``, complex or real.
    record
        Numbers of steps after which the signal is wanted, increasing, 0 for the start. ``None``: after the last one.
    multi_transmit
        Whether rf and b1 have an axis of channels.
    integrator
        ``"exact"`` turns about the axis of the whole field of each step. ``"split"`` turns for the precession and the
        nutation one after the other (Strang), with an error of order ``dt^2``; without b1, and while the gradient does
        not change, it is about three times as fast.
    gamma
        Gyromagnetic ratio [Hz/T], the proton's by default.

    Returns
    -------
    ndarray
        ``(*batch, coils, records)``, complex. Batches of all arguments broadcast. The sum is taken in double precision
        and does not depend on the number of threads.

    Raises
    ------
    TypeError, ValueError
        As :func:`bloch`.

    References
    ----------
    Stocker T, Vahedipour K, Pflugfelder D, Shah NJ. High-performance computing MRI simulations. Magn Reson Med
    2010;64:186-193.
    """
    given = (rf, gradient, dt, position, t1, t2, off_resonance, b1, magnetization, velocity, receive)
    packed = _pack(given, record, multi_transmit, integrator, gamma)
    return call(BLOCH_SIGNAL, packed[:4], packed.parameters)


def bloch_spinor(
    rf: Any,
    gradient: Any,
    dt: Any,
    position: Any,
    off_resonance: Any = None,
    b1: Any = None,
    velocity: Any = None,
    *,
    multi_transmit: bool = False,
    gamma: float = GAMMA,
) -> Any:
    """Cayley-Klein parameters of a waveform: what it does to any magnetization, without relaxation.

    ``U = prod exp(i w.sigma/2) = [[alpha, -conj(beta)], [beta, conj(alpha)]]`` with ``w`` the turn of each step in the
    sense of :func:`bloch`. From equilibrium ``Mx + i My = 2 conj(alpha) beta`` and ``Mz = |alpha|^2 - |beta|^2``; a
    crushed spin echo of transverse magnetization ``m`` is ``-beta^2 conj(m)``.

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
    off_resonance
        ``(*batch, spins)`` or one for all [Hz]; ``None`` is zero.
    b1
        Relative transmit sensitivity ``(*batch, spins)``, complex or real; ``None`` is one. With ``multi_transmit``
        ``(*batch, channels, spins)``: the field is ``sum_c b1[c] rf[c]``.
    velocity
        ``(*batch, spins, axes)`` [m/s]: the position is ``position + t velocity``, t from the start of the waveform.
    multi_transmit
        Whether rf and b1 have an axis of channels.
    gamma
        Gyromagnetic ratio [Hz/T], the proton's by default.

    Returns
    -------
    ndarray
        alpha and beta ``(*batch, spins, 2)``, complex. Batches of all arguments broadcast.


    Raises
    ------
    TypeError, ValueError
        As :func:`bloch`.

    References
    ----------
    Pauly J, Le Roux P, Nishimura D, Macovski A. Parameter relations for the Shinnar-Le Roux selective excitation pulse
    design algorithm. IEEE Trans Med Imaging 1991;10:53-65.
    """
    given = (rf, gradient, dt, position, None, None, off_resonance, b1, None, velocity, None)
    packed = _pack(given, None, multi_transmit, "exact", gamma)
    return call(BLOCH_SPINOR, packed[:2], packed.parameters)
