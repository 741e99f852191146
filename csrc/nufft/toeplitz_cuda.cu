// sense_toeplitz as passes: maps and all axes but the slowest forward, the slowest both ways with the spectrum, back
// with the conjugate maps. The slowest axis is never stored at twice its size.
#include "toeplitz_cuda.h"

#include "volume_passes.cuh"

namespace mriops::cuda {
namespace {

using namespace gridding;

template <class T>
std::size_t run(const ToeplitzProblem& p, const void* image, const void* csm, const void* kernel, void* out,
                void* workspace, void* stream, bool dry) {
    Memory memory(workspace, stream, dry);
    VolumeSetup<T> s{p.ndim,
                     {p.nz, p.ny, p.nx},
                     {p.ndim == 3 ? 2 * p.nz : 1, 2 * p.ny, 2 * p.nx},
                     p.coils,
                     p.batch_per_csm,
                     static_cast<const Complex<T>*>(csm),
                     {nullptr, nullptr, nullptr},
                     false};
    VolumePasses<T> passes(s, memory);
    // Fused, the slowest axis of a volume in memory is that of the image.
    const int64_t volume = passes.fused() ? passes.volume() / 2 : passes.volume();
    const int64_t bytes = volume * int64_t(sizeof(Complex<T>));
    Complex<T>* grid = nullptr;
    for_each_chunk(p.batch, p.coils, bytes, p.batch, 0, [&](const Chunk& c) {
        if (c.first_item == 0 && c.first_coil == 0) {  // the first chunk is the largest
            grid = memory.template take<Complex<T>>(c.volumes() * volume);
            passes.prepare(c.volumes());
        }
        if (dry) return;
        const auto* const spectra = static_cast<const T*>(kernel);
        auto* const to = static_cast<Complex<T>*>(out);
        passes.set_stride(volume);
        passes.forward(static_cast<const Complex<T>*>(image), grid, c, false);
        if (passes.fused()) {
            passes.through(grid, spectra, p.batch_per_kernel, c);
        } else {
            SpectrumProduct<T> product{s.g[0],
                                       s.g[1],
                                       s.g[2],
                                       c.volumes(),
                                       c.coils,
                                       c.first_item,
                                       p.batch_per_kernel,
                                       grid,
                                       spectra,
                                       T(1 / double(passes.volume()))};
            launch_spectrum(product, memory.stream());
        }
        passes.backward(grid, to, c, false);
    });
    return memory.peak();
}

}  // namespace

void sense_toeplitz(const ToeplitzProblem& p, Dtype t, const void* image, const void* csm, const void* kernel,
                    void* out, void* workspace, void* stream) {
    if (p.batch == 0) return;
    const gpu::DeviceOf device(out);
    t == Dtype::complex64 ? run<float>(p, image, csm, kernel, out, workspace, stream, false)
                          : run<double>(p, image, csm, kernel, out, workspace, stream, false);
}
std::size_t sense_toeplitz_workspace_bytes(const ToeplitzProblem& p, Dtype t) {
    if (p.batch == 0) return 0;
    return t == Dtype::complex64 ? run<float>(p, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, true)
                                 : run<double>(p, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, true);
}

}  // namespace mriops::cuda
