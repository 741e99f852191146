// Passes by route: plans, partial sums, tables.
#include "runner.cuh"

#include <algorithm>
#include <iterator>

namespace mriops::cuda {

template <class T>
void Runner<T>::prepare(std::vector<Axis>& list) {
    for (std::size_t i = 0; i < list.size(); ++i) {
        Axis& axis = list[i];
        if (axis.route != Route::bluestein) continue;
        for (std::size_t j = 0; j < i; ++j)
            if (list[j].n == axis.n) {
                axis.m = list[j].m;
                axis.chirp = list[j].chirp;
                axis.spectrum = list[j].spectrum;
            }
        if (axis.m != 0) continue;
        axis.m = bluestein_length(axis.n);
        Complex<T>* const chirp = workspace.take<T>(axis.n);
        Complex<T>* const spectrum = workspace.take<T>(axis.m);
        axis.chirp = chirp;
        axis.spectrum = spectrum;
        if (!dry_) launch_bluestein_tables(axis.n, axis.m, chirp, spectrum, stream_);
    }
}

template <class T>
Pass<T> Runner<T>::pass(const Axis& axis, int64_t items, bool backward) const {
    Pass<T> a;
    a.n = static_cast<int>(axis.n);
    a.centre = axis.route == Route::direct ? a.n / 2 : 0;  // Bluestein's chirp counts from the centre by itself
    a.inner = axis.inner;
    a.nx = nx_;
    a.ny = ny_;
    a.lines_per_item = volume() / axis.n;
    a.lines = a.lines_per_item * items;
    a.scale = T(1 / std::sqrt(static_cast<double>(axis.n)));
    a.backward = backward;
    a.chirp = static_cast<const Complex<T>*>(axis.chirp);
    a.spectrum = static_cast<const Complex<T>*>(axis.spectrum);
    return a;
}

template <class T>
PixelPass<T> Runner<T>::pixel_pass(int64_t items, int64_t inner_items) const {
    PixelPass<T> a;
    a.pixels = volume();
    a.nx = nx_;
    a.ny = ny_;
    a.items = items;
    a.inner_items = inner_items;
    return a;
}

template <class T>
void Runner<T>::launch(const Pass<T>& pass, const Axis& axis, Load load, Store store, bool gram) {
    if (dry_) return;
    if (gram)
        launch_two_way(pass, load, stream_);
    else if (axis.route == Route::bluestein)
        launch_bluestein(pass, load, store, stream_);
    else
        launch_one_way(pass, load, store, stream_);
}

// Whether the results of a pass fill one stretch of memory, so that partial sums can mirror it.
namespace {
template <class T>
bool is_packed(const Pass<T>& a, int64_t volume) {
    const int64_t items = a.lines / a.lines_per_item;
    struct {
        int64_t size, stride;
    } dims[] = {{items / a.inner_items, a.out_stride.u}, {a.inner_items, a.out_stride.v}, {a.maps, a.out_stride.map}};
    std::sort(std::begin(dims), std::end(dims), [](const auto& l, const auto& r) { return l.stride < r.stride; });
    int64_t expected = volume;
    for (const auto& dim : dims) {
        if (dim.size == 1) continue;
        if (dim.stride != expected) return false;
        expected *= dim.size;
    }
    return true;
}
}  // namespace

// With one split the sums go where they belong; otherwise every split writes its own, added up in a fixed order.
template <class T>
void Runner<T>::run_sum(Pass<T>& pass, const Axis& axis, Load load, bool gram) {
    lay_out(pass, axis.m, is_packed(pass, volume()) ? Sums::split : Sums::whole);
    if (pass.splits == 1) return launch(pass, axis, load, Store::sum, gram);
    const int64_t count = pass.lines / pass.lines_per_item * pass.maps * volume();
    const std::size_t mark = workspace.used();
    Complex<T>* const out = pass.out;
    pass.out = workspace.take<T>(count * pass.splits);
    pass.split_stride = count;
    const bool add_to_out = pass.add_to_out;
    pass.add_to_out = false;
    launch(pass, axis, load, Store::sum, gram);
    if (!dry_) launch_add_splits<T>(pass.out, out, count, pass.splits, add_to_out, stream_);
    workspace.release_to(mark);
}

template <class T>
void Runner<T>::run(Pass<T> pass, const Axis& axis, Load load, Store store) {
    if (store == Store::sum) return run_sum(pass, axis, load, false);
    lay_out(pass, axis.m, Sums::none);
    launch(pass, axis, load, store, false);
}

template <class T>
void Runner<T>::run_gram(Pass<T> pass, const Axis& axis, Load load, Store store) {
    pass.mask_centre = pass.centre;
    pass.centre = 0;
    pass.backward = false;
    pass.scale = T(1.0 / static_cast<double>(axis.n));
    if (store == Store::sum) return run_sum(pass, axis, load, true);
    lay_out(pass, 0, Sums::none);
    launch(pass, axis, load, store, true);
}

template <class T>
void Runner<T>::transform(const Complex<T>* from, Complex<T>* to, const Axis& axis, int64_t volumes, bool backward) {
    Pass<T> a = pass(axis, 1, backward);
    a.lines *= volumes;  // volumes follow each other, so that their lines can be counted through
    a.lines_per_item = a.lines;
    if (axis.route != Route::global) {
        a.data = from;
        a.out = to;
        return run(a, axis, Load::data, Store::plain);
    }
    const std::size_t mark = workspace.used();
    Complex<T>* const scratch = workspace.take<T>(long_lines_scratch<T>(axis.n, a.lines));
    if (!dry_) transform_long_lines(LongLines<T>{to, axis.n, axis.inner, a.lines, backward, a.scale}, scratch, stream_);
    workspace.release_to(mark);
}

template class Runner<float>;
template class Runner<double>;

}  // namespace mriops::cuda
