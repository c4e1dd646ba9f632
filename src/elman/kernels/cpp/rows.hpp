// Whole rows by plain loops: the compiler makes vectors of them, and vectors of any width give the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "table.hpp"
#include "vec.hpp"

namespace elman::ELMAN_ISA {

constexpr int64_t worth_a_thread = 1 << 18;  // numbers of rows: to wake a thread takes as long as some 100,000 of them
inline int threads_for_rows(int threads, int64_t numbers) { return numbers < worth_a_thread ? 1 : threads; }

constexpr int64_t rows_of_table_ahead = 4;  // rows lie anywhere in a table: those that come next are asked for

inline void ask_for_row(const float *row, int64_t E, bool written) {
    for (int64_t k = 0; k < E; k += 16)
        if (written) __builtin_prefetch(row + k, 1);
        else __builtin_prefetch(row + k);
}
inline void ask_for_row(const Table &table, int64_t id) {
    for (float *part : {table.w, table.m, table.v}) ask_for_row(part + id * table.E, table.E, true);
}

// y = x with some of it dropped, from the number `at` of the mask on; y may be x
inline void drop(const Drop &mask, int64_t at, const float *x, float *y, int64_t n) {
    const uint16_t *__restrict bits = mask.bits + at;
    const int32_t dropped = mask.dropped;
    const float scale = mask.scale;
    _Pragma("GCC ivdep")
    for (int64_t k = 0; k < n; ++k) y[k] = x[k] * (static_cast<int32_t>(bits[k]) >= dropped ? scale : 0.0f);
}

// y (M, E), the rows from `first` to `last` - 1: the sum of one row of each of G tables, in their order; ids (M, G)
inline void embed(const float *const *tables, const int64_t *ids, int64_t first, int64_t last, int64_t G, int64_t E, const Drop &mask,
                  float *y) {
    for (int64_t m = first; m < last; ++m) {
        float *__restrict row = y + m * E;
        if (m + rows_of_table_ahead < last)
            for (int64_t g = 0; g < G; ++g) ask_for_row(tables[g] + ids[(m + rows_of_table_ahead) * G + g] * E, E, false);
        std::memcpy(row, tables[0] + ids[m * G] * E, static_cast<size_t>(E) * sizeof(float));
        for (int64_t g = 1; g < G; ++g) {
            const float *from = tables[g] + ids[m * G + g] * E;
            for (int64_t k = 0; k < E; ++k) row[k] += from[k];
        }
        if (mask.bits) drop(mask, mask.row(m) * E, row, row, E);
    }
}

// Of rows pooled over time: d_x (T, B, H) for the rows first ... last - 1 of B, nought beyond a row's length. Each step takes
// part in the row's sum; the steps that are the greatest share its gradient alike. `shares` is a place for H floats.
inline void pool_back(const Pooled &p, int64_t first, int64_t last, float *shares) {
    const int64_t H = p.H, next = p.B * H;
    for (int64_t b = first; b < last; ++b) {
        const float *d_sum = p.d_sum ? p.d_sum + b * H : nullptr, *most = p.d_most ? p.most + b * H : nullptr;
        if (most) std::fill_n(shares, H, 0.0f);
        for (int64_t t = 0; t < (most ? p.lengths[b] : 0); ++t) {
            const float *__restrict x = p.x + t * next + b * H;
            for (int64_t k = 0; k < H; ++k) shares[k] += x[k] == most[k] ? 1.0f : 0.0f;
        }
        for (int64_t k = 0; k < (most ? H : 0); ++k) shares[k] = p.d_most[b * H + k] / shares[k];
        for (int64_t t = 0; t < p.T; ++t) {
            float *__restrict d_x = p.d_x + t * next + b * H;
            const bool own = t < p.lengths[b];
            if (own && d_sum) std::memcpy(d_x, d_sum, static_cast<size_t>(H) * sizeof(float));
            else std::fill_n(d_x, H, 0.0f);
            if (!own || !most) continue;
            const float *__restrict x = p.x + t * next + b * H;
            for (int64_t k = 0; k < H; ++k) d_x[k] += x[k] == most[k] ? shares[k] : 0.0f;
        }
    }
}

// Σ x², each block in 64 chains of its own.
inline double squares(const float *x, int64_t n) {
    constexpr int64_t chains = 64, size = 4096;
    double total = 0;
    for (int64_t from = 0; from < n; from += size) {
        const int64_t to = std::min(n, from + size), even = from + (to - from) / chains * chains;
        float sums[chains] = {};
        for (int64_t k = from; k < even; k += chains)
            for (int64_t j = 0; j < chains; ++j) sums[j] += x[k + j] * x[k + j];
        for (int64_t k = even; k < to; ++k) sums[k - even] += x[k] * x[k];
        for (const float sum : sums) total += static_cast<double>(sum);
    }
    return total;
}

// Brings those of the n rows of `ids` up to date that are this part's, one in `parts`; one named twice moves once.
inline void catch_up(const Table &table, const Rests &rests, const int64_t *ids, int64_t n, int part, int parts) {
    const auto rested = [&](int64_t i) { return ids[i] % parts == part && table.since[ids[i]] < static_cast<float>(rests.now); };
    for (int64_t i = 0; i < n; ++i) {
        if (const int64_t next = i + rows_of_table_ahead; next < n && rested(next)) ask_for_row(table, ids[next]);
        if (!rested(i)) continue;
        const auto since = static_cast<int64_t>(table.since[ids[i]]);
        const float decay = rests.decay[since], drift = rests.drift[since];
        const float shrink_m = rests.shrink_m[since], shrink_v = rests.shrink_v[since], eps = rests.eps[since];
        float *__restrict w = table.w + ids[i] * table.E, *__restrict m = table.m + ids[i] * table.E;
        float *__restrict v = table.v + ids[i] * table.E;
        for (int64_t k = 0; k < table.E; ++k) {
            w[k] = w[k] * decay - drift * m[k] / (std::sqrt(v[k]) + eps);
            m[k] *= shrink_m;
            v[k] *= shrink_v;
        }
        table.since[ids[i]] = static_cast<float>(rests.now);
    }
}

// n numbers by their slopes g
inline void move(const Move &by, const float *__restrict g, float *__restrict w, float *__restrict m, float *__restrict v, int64_t n) {
    const Move to = by;
    for (int64_t k = 0; k < n; ++k) {
        const float slope = g[k] * to.share;
        m[k] = to.beta1 * m[k] + (1 - to.beta1) * slope;
        v[k] = to.beta2 * v[k] + (1 - to.beta2) * (slope * slope);
        w[k] = w[k] * to.keep - to.rate * m[k] / (std::sqrt(v[k]) + to.eps);
    }
}

// Moves each of the different rows `first` to `last` - 1 of `rows` by its slope (n, E); they rest since `now`.
inline void move_rows(const Table &table, const Move &by, const int64_t *rows, const float *slopes, int64_t first, int64_t last,
                      int64_t now) {
    for (int64_t i = first; i < last; ++i) {
        if (i + rows_of_table_ahead < last) ask_for_row(table, rows[i + rows_of_table_ahead]);
        const int64_t at = rows[i] * table.E;
        move(by, slopes + i * table.E, table.w + at, table.m + at, table.v + at, table.E);
        table.since[rows[i]] = static_cast<float>(now);
    }
}

// Which sum each of n slopes goes to, but for those of the id `left_out` (-1); rows come as they first appear. `rows` and
// `sum_of` have room for n. Returns how many rows there are. Found again by a table of as many places as fit the first cache.
inline int64_t place_rows(const int64_t *ids, int64_t n, int64_t left_out, int64_t *rows, int64_t *sum_of) {
    uint64_t size = 16;
    while (size < static_cast<uint64_t>(2 * n)) size *= 2;
    std::vector<int32_t> places(size, -1);
    int64_t found = 0;
    for (int64_t i = 0; i < n; ++i) {
        sum_of[i] = -1;
        if (ids[i] == left_out) continue;
        uint64_t at = static_cast<uint64_t>(ids[i]) * 0x9e3779b97f4a7c15u >> 32 & (size - 1);
        while (places[at] >= 0 && rows[places[at]] != ids[i]) at = (at + 1) & (size - 1);
        if (places[at] < 0) places[at] = static_cast<int32_t>(found), rows[found++] = ids[i];
        sum_of[i] = places[at];
    }
    return found;
}

// Adds up the columns `from` to `to` - 1 of slopes (n, E) that go to the same sum, in their order.
inline void sum_columns(const int64_t *sum_of, const float *slopes, int64_t n, int64_t E, int64_t from, int64_t to, float *sums) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (sum_of[i] < 0) continue;
        const float *__restrict slope = slopes + i * E;
        float *__restrict sum = sums + sum_of[i] * E;
        if (sum_of[i] == found) std::memcpy(sum + from, slope + from, static_cast<size_t>(to - from) * sizeof(float)), ++found;
        else
            for (int64_t k = from; k < to; ++k) sum[k] += slope[k];
    }
}

}  // namespace elman::ELMAN_ISA
