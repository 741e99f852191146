// A pulse train unrolled: for each segment where its samples are, how orders move, and how many of them matter.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "../core/checks.h"
#include "epg.h"

namespace mriops {

struct EpgSegment {
    int shift;
    bool spoil, adiabatic;
    int64_t first_sample, samples;
    int64_t reach;   // orders that a pulse before or this one can have filled
    int64_t needed;  // orders that a sample from here on can still see
};

struct EpgTrain {
    std::vector<EpgSegment> segments;  // up to the last one that is sampled
    std::vector<int> offsets;          // per sample
    bool odd_orders = false, real_signal = false, inverts = false;
    int widest_shift = 0, widest_offset = 0;
    int64_t most_orders = 1;  // no segment has more, whatever `orders` says
};

// Throws std::invalid_argument where the program contradicts the sizes.
inline EpgTrain epg_train(const EpgProblem& p) {
    at_least("segments", p.segments, 1);
    at_least("samples", p.samples, 0);
    at_least("atoms", p.atoms, 0);
    at_least("orders", p.orders, 0);
    elements("signal", p.samples, p.atoms);
    const auto& code = p.program;
    EpgTrain train;
    if (code.empty()) refuse("program", "at least 1 entry", 0);
    if (code[0] < 0 || code[0] > 3) refuse("program", "flags 0 to 3", code[0]);
    train.odd_orders = code[0] & epg_odd_orders;
    train.real_signal = code[0] & epg_real_signal;
    for (size_t i = 1; i < code.size();) {
        if (i + 4 > code.size()) refuse("program", "runs of at least 4 entries", int64_t(code.size() - i));
        const int64_t count = code[i], shift = code[i + 1], flags = code[i + 2], samples = code[i + 3];
        at_least("program (segments of a run)", count, 1);
        at_least("program (samples of a segment)", samples, 0);
        if (std::abs(shift) > 64 || (train.odd_orders && shift < 0)) refuse("program (shift)", "at most 64", shift);
        if (flags < 0 || flags > 7) refuse("program (segment flags)", "0 to 7", flags);
        if (flags & epg_inverts) {
            if (i > 1 || count > 1 || train.odd_orders) refuse("program (inversion)", "one first segment", count);
            train.inverts = true;
        }
        if (count > p.segments - int64_t(train.segments.size()))
            refuse("program", std::to_string(p.segments) + " segments", count + int64_t(train.segments.size()));
        if (samples > int64_t(code.size() - i) - 4) refuse("program (offsets)", std::to_string(samples), 0);
        if (samples && count > (p.samples - int64_t(train.offsets.size())) / samples)
            refuse("program", std::to_string(p.samples) + " samples", count * samples);
        for (int64_t c = 0; c < count; ++c) {
            train.segments.push_back({int(shift), bool(flags & epg_spoil), bool(flags & epg_adiabatic),
                                      int64_t(train.offsets.size()), samples, 0, 0});
            for (int64_t j = 0; j < samples; ++j) {
                const int64_t offset = code[i + 4 + j];
                if (std::abs(offset) > 64 || (train.odd_orders && offset < 0))
                    refuse("program (offset)", "at most 64", offset);
                train.offsets.push_back(int(offset));
                train.widest_offset = std::max(train.widest_offset, int(std::abs(offset)));
            }
        }
        train.widest_shift = std::max(train.widest_shift, int(std::abs(shift)));
        i += 4 + size_t(samples);
    }
    if (int64_t(train.segments.size()) != p.segments)
        refuse("program", std::to_string(p.segments) + " segments", int64_t(train.segments.size()));
    if (int64_t(train.offsets.size()) != p.samples)
        refuse("program", std::to_string(p.samples) + " samples", int64_t(train.offsets.size()));
    while (!train.segments.empty() && train.segments.back().samples == 0) train.segments.pop_back();
    int64_t filled = 1, needed = 0;
    for (EpgSegment& s : train.segments) {
        s.reach = filled;
        filled += std::abs(s.shift);
    }
    for (size_t n = train.segments.size(); n-- > 0;) {
        EpgSegment& s = train.segments[n];
        needed = n + 1 == train.segments.size() ? 0 : needed + std::abs(s.shift);
        for (int64_t j = 0; j < s.samples; ++j)
            needed = std::max<int64_t>(needed, std::abs(train.offsets[s.first_sample + j]) + 1);
        s.needed = std::max<int64_t>(needed, 1);
        train.most_orders = std::max(train.most_orders, std::min(s.reach, s.needed));
    }
    return train;
}

inline void check_directions(const EpgProblem& p, const EpgDirections& directions) {
    at_least("tangents", directions.count, 0);
    elements("signal", elements("signal", p.samples, p.atoms), directions.count + 1);
}

}  // namespace mriops
