#!/usr/bin/env bash
# The CUDA kernels under NVIDIA's compute-sanitizer, on a machine with a CUDA device: benchmarks/gpu_sanitize.sh
# Needs python/mriops/_cuda*.so (make cuda), torch and pytest. Each tool slows kernels down up to a hundredfold, hence the
# selection of tests: every kernel of the rooms, small sizes, both precisions.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v compute-sanitizer >/dev/null || { echo "gpu_sanitize: expected compute-sanitizer on the PATH" >&2; exit 2; }
export PYTHONPATH=python PYTORCH_NO_CUDA_MEMORY_CACHING=1 # else one of torch's large blocks hides what is out of bounds
python=${PYTHON:-python3}
selection='test_family_2d and (13x9 or 31x67) or test_family_3d and (5x6x7 or 3x67x4) or test_fft_of_chosen_axes
  or test_forward or test_adjoint or test_gram or test_derivatives_by_the_trajectory or test_toeplitz
  or test_bloch_with_checkpoints_and_many_jobs or test_spinors or test_epg_with_checkpoints_and_many_orders
  or test_two_pools_with_checkpoints_and_many_orders or test_exchanging_isochromats'
for tool in memcheck racecheck synccheck initcheck; do
    echo "=== $tool"
    # Only this project's kernels: torch's own are not ours to judge.
    compute-sanitizer --tool "$tool" --kernel-name kns=mriops --error-exitcode 1 --target-processes all \
        "$python" -m pytest tests/cuda -m gpu -q -p no:cacheprovider -k "${SELECTION:-$(echo $selection)}"
done
echo "=== nothing found"
