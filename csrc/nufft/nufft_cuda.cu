// The NUFFT family as sequences of kernels: tables, transforms of the padded coil images, interpolation or spreading.
#include "nufft_cuda.h"

#include <vector>

#include "gridding.cuh"
#include "spreading_kernel.h"
#include "volume_passes.cuh"

namespace mriops::cuda {
namespace {

using namespace gridding;

template <class T>
struct Arrays {
    const Complex<T>*image = nullptr, *csm = nullptr;
    Complex<T>* kspace = nullptr;
    const T *dcf = nullptr, *points = nullptr, *tangent = nullptr;
    const int32_t* order = nullptr;
    Complex<T>* image_out = nullptr;
    T* trajectory_out = nullptr;
    int64_t dcf_stride = 0;
    SampleLayout layout = SampleLayout::user;
};

template <class T>
class Nufft {
  public:
    Nufft(const NufftProblem& problem, const Arrays<T>& arrays, Memory& memory)
        : p_(problem), a_(arrays), memory_(memory), passes_(set_up(), memory) {}

    void forward() {
        chunked([&](const Chunk& c) {
            passes_.forward(a_.image, grid_, c);
            sample_user(c);
            if (!memory_.dry()) launch_interpolate(g_, memory_.stream());
        });
    }
    void jvp() {
        chunked([&](const Chunk& c) {
            passes_.forward(a_.image, grid_, c);
            sample_user(c);
            if (!memory_.dry()) launch_interpolate_jvp(g_, a_.tangent, memory_.stream());
        });
    }
    void adjoint() {
        find_starts();
        chunked([&](const Chunk& c) {
            sample_user(c);
            weigh();
            if (!memory_.dry()) launch_spread(g_, memory_.stream());
            passes_.backward(grid_, a_.image_out, c);
        });
    }
    void gram() {
        find_starts();
        Complex<T>* between = nullptr;
        chunked([&](const Chunk& c) {
            if (first(c)) between = memory_.template take<Complex<T>>(c.volumes() * p_.samples);
            passes_.forward(a_.image, grid_, c);
            volumes_of(c);
            g_.kspace = between;
            g_.sorted = true;
            g_.sample_step = 1;
            g_.coil_step = p_.samples;
            g_.item_step = p_.samples * c.coils;
            g_.weight = nullptr;
            if (!memory_.dry()) launch_interpolate(g_, memory_.stream());
            weigh();
            if (!memory_.dry()) launch_spread(g_, memory_.stream());
            passes_.backward(grid_, a_.image_out, c);
        });
    }
    // Items that share a trajectory add to the same derivative, in their order.
    void trajectory_grad() {
        for (int64_t t = 0; t < p_.trajectories(); ++t) {
            bool add = false;
            for_each_chunk(p_.batch_per_traj, p_.coils, volume_bytes(), p_.batch_per_traj, p_.coils_at_once,
                           [&](Chunk c) {
                               if (t == 0 && first(c)) take_grid(c);
                               c.first_item += t * p_.batch_per_traj;
                               passes_.forward(a_.image, grid_, c);
                               sample_user(c);
                               if (!memory_.dry())
                                   launch_interpolate_grad(g_, a_.trajectory_out, add, memory_.stream());
                               add = true;
                           });
        }
    }

  private:
    static bool first(const Chunk& c) { return c.first_item == 0 && c.first_coil == 0; }
    int64_t volume_bytes() const { return p_.gz * p_.gy * p_.gx * int64_t(sizeof(Complex<T>)); }
    void take_grid(const Chunk& c) {  // the first chunk is the largest
        grid_ = memory_.template take<Complex<T>>(c.volumes() * p_.gz * p_.gy * p_.gx);
        passes_.prepare(c.volumes());
    }
    template <class F>
    void chunked(F&& f) {
        for_each_chunk(p_.batch, p_.coils, volume_bytes(), p_.batch, p_.coils_at_once, [&](const Chunk& c) {
            if (first(c)) take_grid(c);
            f(c);
        });
    }

    // Tables on their way to the device, and where everything is.
    VolumeSetup<T> set_up() {
        VolumeSetup<T> s{p_.ndim,
                         {p_.nz, p_.ny, p_.nx},
                         {p_.gz, p_.gy, p_.gx},
                         p_.coils,
                         p_.batch_per_csm,
                         a_.csm,
                         {nullptr, nullptr, nullptr},
                         true};
        std::vector<T> table;
        int64_t taps_at[3] = {}, deconvolution_at[3] = {};
        g_ = {};
        g_.ndim = p_.ndim;
        g_.width = p_.width;
        g_.samples = static_cast<int>(p_.samples);
        g_.tiles = 1;
        for (int d = 3 - p_.ndim; d < 3; ++d) {
            const SpreadingKernel& kernel = spreading_kernel(p_.width, s.n[d], s.g[d], sizeof(T) == 4);
            taps_at[d] = static_cast<int64_t>(table.size());
            for (double v : kernel.taps) table.push_back(T(v));
            deconvolution_at[d] = static_cast<int64_t>(table.size());
            for (double v : kernel.deconvolution) table.push_back(T(v));
            GridAxis<T>& axis = g_.axis[d];
            axis.n = static_cast<double>(s.n[d]);
            axis.scale = position_scale(s.n[d], s.g[d]);
            axis.grid = static_cast<int>(s.g[d]);
            axis.tiles = static_cast<int>(s.g[d] / kTileCells + 1);
            axis.degree = kernel.degree;
            // Position and fraction run in opposite directions, and x = 2 fraction - 1.
            axis.slope = T(-2 * static_cast<double>(s.g[d]) / static_cast<double>(s.n[d]));
            g_.tiles *= axis.tiles;
        }
        if (p_.ndim == 2) g_.axis[0].grid = g_.axis[0].tiles = 1;
        T* const tables = memory_.template take<T>(static_cast<int64_t>(table.size()));
        if (!memory_.dry()) {
            upload(table, tables, memory_.stream());
            for (int d = 3 - p_.ndim; d < 3; ++d) {
                g_.axis[d].taps = tables + taps_at[d];
                s.deconvolve[d] = tables + deconvolution_at[d];
            }
        }
        g_.points = a_.points;
        g_.order = a_.order;
        g_.volume = p_.gz * p_.gy * p_.gx;
        g_.batch_per_traj = p_.batch_per_traj;
        return s;
    }
    void find_starts() {
        int32_t* const start = memory_.template take<int32_t>(p_.trajectories() * (g_.tiles + 1));
        if (!memory_.dry()) launch_starts(g_, p_.trajectories(), start, memory_.stream());
        g_.start = start;
    }
    void volumes_of(const Chunk& c) {
        g_.grid = grid_;
        g_.coils = static_cast<int>(c.coils);
        g_.items = static_cast<int>(c.items);
        g_.first_item = c.first_item;
    }
    void sample_user(const Chunk& c) {
        volumes_of(c);
        g_.sorted = a_.layout == SampleLayout::sorted;
        g_.sample_step = g_.sorted ? p_.coils : 1;
        g_.coil_step = g_.sorted ? 1 : p_.samples;
        g_.item_step = p_.samples * p_.coils;
        if (!memory_.dry()) g_.kspace = a_.kspace + c.first_item * g_.item_step + c.first_coil * g_.coil_step;
    }
    void weigh() {
        g_.weight = a_.dcf;
        g_.weight_stride = a_.dcf_stride;
    }

    const NufftProblem& p_;
    const Arrays<T>& a_;
    Memory& memory_;
    Gridding<T> g_;
    VolumePasses<T> passes_;
    Complex<T>* grid_ = nullptr;
};

// The arrays of a call, not yet of a type.
struct Call {
    const void *image = nullptr, *csm = nullptr, *kspace = nullptr, *dcf = nullptr, *points = nullptr;
    const void* tangent = nullptr;
    const int32_t* order = nullptr;
    void *image_out = nullptr, *trajectory_out = nullptr;
    int64_t dcf_stride = 0;
    SampleLayout layout = SampleLayout::user;
};

template <class T, class Operation>
std::size_t run_as(const NufftProblem& p, const Call& call, Memory& memory, const Operation& operation) {
    Arrays<T> a;
    a.image = static_cast<const Complex<T>*>(call.image);
    a.csm = static_cast<const Complex<T>*>(call.csm);
    a.kspace = const_cast<Complex<T>*>(static_cast<const Complex<T>*>(call.kspace));  // written by some, read by others
    a.dcf = static_cast<const T*>(call.dcf);
    a.points = static_cast<const T*>(call.points);
    a.tangent = static_cast<const T*>(call.tangent);
    a.order = call.order;
    a.image_out = static_cast<Complex<T>*>(call.image_out);
    a.trajectory_out = static_cast<T*>(call.trajectory_out);
    a.dcf_stride = call.dcf_stride;
    a.layout = call.layout;
    Nufft<T> nufft(p, a, memory);
    operation(nufft);
    return memory.peak();
}

template <class Operation>
void execute(const NufftProblem& p, Dtype t, const Call& call, const void* out, void* workspace, void* stream,
             const Operation& operation) {
    if (p.batch == 0 || (out == nullptr && p.samples == 0)) return;
    const gpu::DeviceOf device(out);
    Memory memory(workspace, stream, false);
    t == Dtype::complex64 ? run_as<float>(p, call, memory, operation) : run_as<double>(p, call, memory, operation);
}

template <class Operation>
std::size_t bytes_of(const NufftProblem& p, Dtype t, const Operation& operation) {
    if (p.batch == 0) return 0;
    Memory memory(nullptr, nullptr, true);
    return t == Dtype::complex64 ? run_as<float>(p, {}, memory, operation) : run_as<double>(p, {}, memory, operation);
}

const auto kForward = [](auto& n) { n.forward(); };
const auto kAdjoint = [](auto& n) { n.adjoint(); };
const auto kGram = [](auto& n) { n.gram(); };
const auto kGrad = [](auto& n) { n.trajectory_grad(); };
const auto kJvp = [](auto& n) { n.jvp(); };

void sort(const NufftProblem& p, Dtype t, const void* trajectory, void* points, int32_t* order, Memory& memory) {
    if (t == Dtype::complex64)
        launch_sort(p, static_cast<const float*>(trajectory), static_cast<float*>(points), order, memory);
    else
        launch_sort(p, static_cast<const double*>(trajectory), static_cast<double*>(points), order, memory);
}

}  // namespace

void nufft_points(const NufftProblem& p, Dtype t, const void* trajectory, void* points, int32_t* order, void* workspace,
                  void* stream) {
    if (p.batch == 0 || p.samples == 0) return;
    const gpu::DeviceOf device(points);
    Memory memory(workspace, stream, false);
    sort(p, t, trajectory, points, order, memory);
}
void nufft(const NufftProblem& p, Dtype t, const void* image, const void* csm, const void* points, const int32_t* order,
           void* kspace, SampleLayout layout, void* workspace, void* stream) {
    Call call;
    call.image = image, call.csm = csm, call.kspace = kspace, call.points = points, call.order = order;
    call.layout = layout;
    execute(p, t, call, kspace, workspace, stream, kForward);
}
void nufft_adjoint(const NufftProblem& p, Dtype t, const void* kspace, const void* csm, const void* dcf,
                   int64_t dcf_stride, const void* points, const int32_t* order, void* image, SampleLayout layout,
                   void* workspace, void* stream) {
    Call call;
    call.kspace = kspace, call.csm = csm, call.dcf = dcf, call.dcf_stride = dcf_stride;
    call.points = points, call.order = order, call.image_out = image, call.layout = layout;
    execute(p, t, call, image, workspace, stream, kAdjoint);
}
void nufft_gram(const NufftProblem& p, Dtype t, const void* image, const void* csm, const void* dcf, int64_t dcf_stride,
                const void* points, const int32_t* order, void* out, void* workspace, void* stream) {
    Call call;
    call.image = image, call.csm = csm, call.dcf = dcf, call.dcf_stride = dcf_stride;
    call.points = points, call.order = order, call.image_out = out;
    execute(p, t, call, out, workspace, stream, kGram);
}
void nufft_trajectory_grad(const NufftProblem& p, Dtype t, const void* image, const void* csm, const void* kspace,
                           const void* points, const int32_t* order, void* trajectory, void* workspace, void* stream) {
    Call call;
    call.image = image, call.csm = csm, call.kspace = kspace, call.points = points, call.order = order;
    call.trajectory_out = trajectory;
    execute(p, t, call, trajectory, workspace, stream, kGrad);
}
void nufft_trajectory_jvp(const NufftProblem& p, Dtype t, const void* image, const void* csm, const void* tangent,
                          const void* points, const int32_t* order, void* kspace, void* workspace, void* stream) {
    Call call;
    call.image = image, call.csm = csm, call.tangent = tangent, call.points = points, call.order = order;
    call.kspace = kspace;
    execute(p, t, call, kspace, workspace, stream, kJvp);
}

std::size_t nufft_points_workspace_bytes(const NufftProblem& p, Dtype t) {
    if (p.batch == 0) return 0;
    Memory memory(nullptr, nullptr, true);
    sort(p, t, nullptr, nullptr, nullptr, memory);
    return memory.peak();
}
std::size_t nufft_workspace_bytes(const NufftProblem& p, Dtype t) { return bytes_of(p, t, kForward); }
std::size_t nufft_adjoint_workspace_bytes(const NufftProblem& p, Dtype t) { return bytes_of(p, t, kAdjoint); }
std::size_t nufft_gram_workspace_bytes(const NufftProblem& p, Dtype t) { return bytes_of(p, t, kGram); }
std::size_t nufft_trajectory_grad_workspace_bytes(const NufftProblem& p, Dtype t) { return bytes_of(p, t, kGrad); }
std::size_t nufft_trajectory_jvp_workspace_bytes(const NufftProblem& p, Dtype t) { return bytes_of(p, t, kJvp); }

}  // namespace mriops::cuda
