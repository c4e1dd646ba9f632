// Packed rows pooled over time, and back; each vector of columns goes through the steps in its own registers.
#pragma once

#include <algorithm>
#include <cmath>

#include "rows.hpp"
#include "tile.hpp"

namespace elman::ELMAN_ISA {

// The rows i of B, packed, that are this part's: their mean, greatest and sum over time; t rising. A row without steps gives noughts.
inline void pool_columns(const Steps &s, const Columns &c, int part, int parts) {
    for (int64_t i = part; i < s.B; i += parts) {
        const int64_t n = s.length(i), at = s.order[i] * c.stride;
        const Vec count = set(static_cast<float>(std::max<int64_t>(n, 1))), root = set(std::sqrt(static_cast<float>(std::max<int64_t>(n, 1))));
        for (int64_t k = 0; k < c.H; k += W) {
            Vec sum = set(0.0f), most = set(n ? -INFINITY : 0.0f);
            for (int64_t t = 0; t < n; ++t) {
                const Vec x = load_some(c.x + (s.offset[t] + i) * c.H + k, c.H - k);
                sum = sum + x, most = select(is_nan(most), most, max(most, x));
            }
            if (c.mean) store_some(c.mean + at + k, sum / count, c.H - k);
            if (c.most) store_some(c.most + at + k, most, c.H - k);
            if (c.sum) store_some(c.sum + at + k, set(c.factor) * sum / root, c.H - k);
        }
    }
}

// Its gradient: each step takes part in the mean; the steps that are the greatest share its gradient alike.
inline void pool_columns_back(const Steps &s, const ColumnsBack &c, int part, int parts) {
    const Vec one = set(1.0f), nought = set(0.0f);
    for (int64_t i = part; i < s.B; i += parts) {
        const int64_t n = s.length(i), at = s.order[i] * c.stride;
        const Vec count = set(static_cast<float>(std::max<int64_t>(n, 1)));
        for (int64_t k = 0; k < c.H; k += W) {
            const int64_t left = c.H - k;
            const Vec even = c.d_mean ? load_some(c.d_mean + at + k, left) / count : nought;
            const Vec most = c.most ? load_some(c.most + at + k, left) : nought;
            Vec share = nought;
            for (int64_t t = 0; t < (c.most ? n : 0); ++t)
                share = share + select(same(load_some(c.x + (s.offset[t] + i) * c.H + k, left), most), one, nought);
            if (c.most) share = load_some(c.d_most + at + k, left) / share;
            for (int64_t t = 0; t < n; ++t) {
                const int64_t m = (s.offset[t] + i) * c.H + k;
                const Vec more = c.most ? select(same(load_some(c.x + m, left), most), share, nought) : nought;
                store_some(c.d_x + m, even + more, left);
            }
        }
    }
}

// d_x (M, E) of what a mask went over: (d_x + factor / √length d_sum) times the mask. A null d_sum is nought.
inline void spread(const Steps &s, const float *d_sum, int64_t stride, float factor, int64_t E, const Drop &mask, float *d_x, int part, int parts) {
    for (int64_t i = part; i < s.B; i += parts) {
        const int64_t n = s.length(i);
        const float *__restrict from = d_sum ? d_sum + s.order[i] * stride : nullptr;
        const float share = factor / std::sqrt(static_cast<float>(std::max<int64_t>(n, 1)));
        for (int64_t t = 0; t < n; ++t) {
            const int64_t m = s.offset[t] + i;
            float *__restrict row = d_x + m * E;
            for (int64_t k = 0; from && k < E; ++k) row[k] += share * from[k];
            if (mask.bits) drop(mask, mask.row(m) * E, row, row, E);
        }
    }
}

}  // namespace elman::ELMAN_ISA
