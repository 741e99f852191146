"""Run by the Python that has PyQMRI: `python pyqmri_program.py scan.h5 t1.npy 7` writes T1 in ms after 7 steps.

It imports nothing of this repository.
"""

import configparser
import sys
import types
from pathlib import Path

import numpy as np


class Transform:
    """What PyQMRI uses of gpyfft, by FFTW on memory that pocl shares with the host."""

    def __init__(self, context, queue, in_array, out_array=None, axes=None):
        self.queue, self.axes = queue, axes

    def enqueue_arrays(self, data, result, forward=True):
        """Transform in place (`result` is `data`), the way back divided by the number of points."""
        import pyfftw
        import pyopencl as cl

        cl.wait_for_events(list(data.events))
        self.queue.finish()
        flags = cl.map_flags.READ | cl.map_flags.WRITE
        array, _ = cl.enqueue_map_buffer(self.queue, data.base_data, flags, data.offset, data.shape, data.dtype)
        way = pyfftw.interfaces.numpy_fft.fftn if forward else pyfftw.interfaces.numpy_fft.ifftn
        array[...] = way(array, axes=self.axes)
        array.base.release(self.queue)
        return [cl.enqueue_marker(self.queue)]


def stand_in() -> None:
    """Put `Transform` in the place of gpyfft where that is missing."""
    try:
        import gpyfft.fft  # noqa: F401
    except ImportError:
        import pyfftw

        pyfftw.interfaces.cache.enable()
        package, module = types.ModuleType("gpyfft"), types.ModuleType("gpyfft.fft")
        package.fft, module.FFT = module, Transform
        sys.modules.update({"gpyfft": package, "gpyfft.fft": module})


def settings(steps: str) -> None:
    """Put the settings that it makes itself in default.ini, where it looks for them, with other Gauss-Newton steps."""
    from pyqmri._helper_fun import _utils

    _utils.gen_default_config()
    config = configparser.ConfigParser()
    config.read("default.ini")
    config["TV"]["max_gn_it"] = steps
    with open("default.ini", "w") as file:
        config.write(file)


def main(scan: str, t1: str, steps: str) -> None:
    """Total variation on one slice, on the CPU."""
    stand_in()
    import h5py
    import ipyparallel

    ipyparallel.Client = lambda *_, **__: None  # a cluster that only estimates maps, which the file has
    import pyqmri

    settings(steps)
    sys.argv = sys.argv[:1]  # it reads them, too
    pyqmri.run(data=scan, out=".", model="VFA", reg_type="TV", use_GPU=False, useCGguess=False)
    (found,) = Path("PyQMRI_out").rglob("output_*.h5")
    with h5py.File(found) as file:
        last = max(name for name in file if name.startswith("tv_result"))
        np.save(t1, file[last][1, 0].real)


if __name__ == "__main__":
    main(*sys.argv[1:])
