// Random bits as the boundary takes them.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "arrays.hpp"
#include "cpp/table.hpp"

namespace elman {

using Bits = nanobind::ndarray<const uint16_t, nanobind::c_contig, nanobind::device::cpu>;

inline Drop drop_of(const Maybe<Bits> &bits, int64_t n, int dropped, float scale) {
    if (bits && static_cast<int64_t>(bits->size()) != n) throw std::invalid_argument("there are 16 bits for each number");
    return {bits ? bits->data() : nullptr, dropped, scale};
}

// The same for M rows of E numbers that stand elsewhere among those of the bits.
inline Drop drop_of(const Maybe<Bits> &bits, const Maybe<Ids> &places, int64_t M, int64_t E, int dropped, float scale) {
    if (!bits || !places) return drop_of(bits, M * E, dropped, scale);
    expect(*places, {M}, "places"), expect_ids(places->data(), M, E ? static_cast<int64_t>(bits->size()) / E : 0);
    return {bits->data(), dropped, scale, places->data()};
}

}  // namespace elman
