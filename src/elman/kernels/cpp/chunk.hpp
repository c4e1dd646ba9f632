// How a run is cut: chunks of steps whose input products are taken ahead, so that they are as wide as a matrix product can be
// and still lie in the cache when their step comes; and groups of rows, or of units, for each thread.
#pragma once

#include <algorithm>
#include <cstring>

#include "halves.hpp"
#include "kernels.hpp"
#include "vec.hpp"

namespace elman::ELMAN_ISA {

template <class C>
int64_t panels_of_units(int64_t H) {
    return (H + C::units - 1) / C::units;
}

// The lanes of a panel that are ever read: all, but in a layer that has not even one slot of units.
template <class C>
int64_t lanes_of(int64_t H) {
    return H < 16 ? H : C::units;
}

// Steps [from, to) in the order of the run, about `rows` packed rows, at least one step.
struct Chunk {
    int64_t from, to, low, high;  // packed rows low ... high - 1
    int64_t widest, narrowest;    // rows of its widest step, and of its narrowest
};
inline Chunk chunk_of(const Rows &rows, int64_t from, int64_t to) {
    const int64_t a = rows.time(from), b = rows.time(to - 1);
    int64_t widest = 0, narrowest = rows.count[a];
    for (int64_t s = from; s < to; ++s) {
        const int64_t count = rows.count[rows.time(s)];
        widest = std::max(widest, count), narrowest = std::min(narrowest, count);
    }
    return {from, to, rows.offset[std::min(a, b)], rows.offset[std::max(a, b)] + rows.count[std::max(a, b)], widest, narrowest};
}
inline Chunk chunk_after(const Rows &rows, int64_t from, int64_t wanted) {
    int64_t to = from, sum = 0;
    do sum += rows.count[rows.time(to++)];
    while (to < rows.steps() && sum + rows.count[rows.time(to)] <= wanted);
    return chunk_of(rows, from, to);
}
inline Chunk chunk_before(const Rows &rows, int64_t to, int64_t wanted) {
    int64_t from = to, sum = 0;
    do sum += rows.count[rows.time(--from)];
    while (from > 0 && sum + rows.count[rows.time(from - 1)] <= wanted);
    return chunk_of(rows, from, to);
}
inline int64_t rows_in_cache(int64_t floats_a_row) {
    return std::max<int64_t>(24, half_of_cache() / (8 * floats_a_row) / 24 * 24);
}
// Input weights beyond the second cache come from far away once a chunk: more rows share the journey.
inline int64_t rows_ahead_of(int64_t floats_a_row, int64_t weights) {
    const bool far = weights * static_cast<int64_t>(sizeof(float)) > 2 * half_of_cache();
    return far ? std::max<int64_t>(256, rows_in_cache(floats_a_row)) : rows_in_cache(floats_a_row);
}

inline void copy_rows(float *to, ptrdiff_t to_stride, const float *from, ptrdiff_t from_stride, int64_t n,
                      int64_t rows) {
    if (to_stride == n && from_stride == n) n *= rows, rows = n ? 1 : 0;
    for (int64_t i = 0; i < rows; ++i) std::memcpy(to + i * to_stride, from + i * from_stride, n * sizeof(float));
}

// The state before a step, where some rows start afresh; null where none does.
inline bool any_reset(const uint8_t *reset, int64_t offset, int64_t count) {
    return reset && std::memchr(reset + offset, 1, static_cast<size_t>(count));
}

constexpr int64_t worth_sharing = 48;  // rows of one step that are worth a second thread

// Weights too large for one processor's cache are read once by all parts together, not once by each: parts share units,
// and meet after every step. More rows than this keep a processor busy for as long as their weights take. Rows too few to
// be shared out share units as soon as a step takes longer than a few meetings.
constexpr int64_t rows_by_units = 64, lone_rows = 3, bytes_of_a_long_step = 192 << 10;
inline bool worth_units(int64_t rows, int64_t floats) {
    const int64_t bytes = floats * static_cast<int64_t>(sizeof(float));
    return (rows <= rows_by_units && bytes > half_of_cache() * 3 / 2) || (rows <= lone_rows && bytes >= bytes_of_a_long_step);
}

// Both weights are met by one tile, one after the other, and no sum is stored between them: a step's input products are
// then not taken ahead. Its rows must make tall tiles of `tall` rows; weights that do not stay in the cache together are read
// from far away at every step, and more rows share the journey.
inline bool worth_one_pass(int64_t rows, int tall, int64_t floats) {
    constexpr int64_t enough = 48;
    return 3 * rows >= 2 * tall && (stay_near(floats) || rows >= enough);
}

// Whether parts go through all steps on their own, each with rows of its own: what one has written no other reads, so
// nothing crosses from cache to cache and nobody waits. Too few rows each, or weights from far away, and a chunk's
// input products are better taken together.
inline bool worth_own_rows(const Halves &halves, int64_t floats) {
    const int64_t bytes = floats * static_cast<int64_t>(sizeof(float));
    return bytes <= half_of_cache() && halves.fewest() >= (bytes <= half_of_cache() / 8 ? 4 : 8);
}

// How many groups of rows to go through all steps one after the other: as many for each thread, and so many that what a
// group's step reads and writes stays in half of the cache beside the weights.
inline int groups_of_rows(int64_t rows, int64_t floats_a_row, int threads) {
    const int64_t most = std::max<int64_t>(24, half_of_cache() / 2 / (4 * floats_a_row));
    const int64_t wanted = 2 * rows >= 3 * most ? (rows + most - 1) / most : 1;
    return static_cast<int>((wanted + threads - 1) / threads * threads);
}

}  // namespace elman::ELMAN_ISA
