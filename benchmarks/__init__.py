"""Speed, memory and accuracy of mriops beside its peers, in one process and one run.

`python -m benchmarks run` times the workload table and writes `benchmarks/results/<cpu>.csv`;
`python -m benchmarks table` turns those files into the tables of the README and of the documentation.

How it is measured
    * Peers are timed in the same process, interleaved: each in turn, untimed calls and a timed one, many rounds,
      medians. Who has used up two seconds sits out the rounds that follow, so that slow software does not set the pace.
    * The deciding number is CPU time (`time.process_time`) where everybody is given one thread: it hardly moves on a
      shared machine. The second number is the wall time with two threads, each sample after a short idle gap.
    * "torch.fft" is the best of what a good user writes (no shifts, in place, loops, compiled); every variant is kept.
    * Errors are against a complex128 evaluation, of non-uniform transforms against direct sums; there all software is
      asked for what makes the errors equal (`accuracy.py`).
    * Memory is the peak above inputs and plans, read in a process of its own.

This folder stands beside the package: it may import any public name of mriops, and nothing imports it.
"""
