// Which coils are transformed together.
#pragma once
#include <algorithm>
#include <cstdint>

namespace mriops {
namespace {

// What goes on in one visit of the image and the sum: coils [out_begin, out_end) leave their planes for the sum, coils
// [in_begin, in_end) enter planes from the image. f(coil, plane).
struct CoilPass {
    int64_t out_begin, out_end, in_begin, in_end;
    bool back;  // up and down by turns: what was visited last is still in the cache
    template <class F>
    void for_each_out(const F& f) const {
        for (int64_t c = out_begin; c < out_end; ++c) f(c, c - out_begin);
    }
    template <class F>
    void for_each_in(const F& f) const {
        for (int64_t c = in_begin; c < in_end; ++c) f(c, c - in_begin);
    }
};

// The passes over coils [begin, end). Where a plane fits into the second-level cache with all that is read beside it,
// coils go one by one, which costs less. Where it does not, a few go together and make room for the next few at once,
// so that image and sum are fetched once for them.
class CoilPasses {
  public:
    static constexpr int64_t kMost = 4;          // at a time
    static constexpr int64_t kFits = 512 << 10;  // bytes of a plane
    CoilPasses(int64_t begin, int64_t end, int64_t plane_bytes)
        : begin_(begin), end_(end), joint_(plane_bytes >= kFits), held_(joint_ ? std::min(end - begin, kMost) : 1) {}

    // Planes in use.
    int64_t held() const { return held_; }

    template <class F>
    void for_each(const F& f) const {
        bool back = false;
        for (int64_t c = begin_ - held_; c < end_; c += held_, back = !back) {
            const int64_t out = std::max(c, begin_), in = std::min(c + held_, end_),
                          in_end = std::min(in + held_, end_);
            if (joint_) {
                f(CoilPass{out, in, in, in_end, back});
            } else {
                if (out < in) f(CoilPass{out, in, in, in, true});
                if (in < in_end) f(CoilPass{in, in, in, in_end, false});
            }
        }
    }

  private:
    int64_t begin_, end_;
    bool joint_;
    int64_t held_;
};

}  // namespace
}  // namespace mriops
