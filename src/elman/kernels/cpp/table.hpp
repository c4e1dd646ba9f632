// Rows: those of an embedding, which AdamW moves one by one (train/resting.py has the equations), and those pooled over time.
#pragma once

#include <cstdint>

namespace elman {

// Dropout: 16 random bits for each number; those below `dropped` put 0 in its place, the others multiply it by `scale`.
struct Drop {
    const uint16_t *bits;  // null: nothing is dropped
    int32_t dropped;
    float scale;
    const int64_t *places = nullptr;  // which row of the bits each row takes; null: its own
    int64_t row(int64_t m) const { return places ? places[m] : m; }
};

// Sequences as packed rows (kernels.hpp has their order): step t has the first count[t] of the B that stand longest first.
struct Steps {
    int64_t T, B, M;
    const int64_t *count, *offset;  // (T)
    const int64_t *order;           // (B) the user's row that stands i-th
    int64_t length(int64_t i) const {
        int64_t n = T;
        while (n && count[n - 1] <= i) --n;
        return n;
    }
};

// Packed rows x (M, H) pooled over time into columns of the user's rows, which are `stride` floats apart; null: not wanted.
struct Columns {
    const float *x;
    int64_t H, stride;
    float *mean, *most, *sum;  // of the last, factor Σ x / √length
    float factor;
};

// The gradients of those, and d_x (M, H), which is written.
struct ColumnsBack {
    const float *x;
    int64_t H, stride;
    const float *most, *d_mean, *d_most;
    float *d_x;
};

// Rows pooled over time: what backward reads, and d_x, which it writes. Row b has lengths[b] of the T steps.
struct Pooled {
    int64_t T, B, H;
    const int64_t *lengths;       // (B)
    const float *x, *most;        // (T, B, H) and its greatest numbers (B, H); null without d_most
    const float *d_sum, *d_most;  // (B, H) or null
    float *d_x;                   // (T, B, H)
};

// A table of V rows of E floats, what AdamW remembers of each, and since which update each rests.
struct Table {
    int64_t V, E;
    float *w, *m, *v;  // (V, E)
    float *since;      // (V) whole numbers from 0 to now
};

// What rests from update l to now lead to, for l = 0 ... now: w = decay w - drift m / (√v + eps), m and v shrink.
struct Rests {
    int64_t now;
    const float *decay, *drift, *shrink_m, *shrink_v, *eps;  // (now + 1)
};

// One update: w = keep w - rate m' / (√v' + eps), m' = β1 m + (1 - β1) g, v' = β2 v + (1 - β2) g², g a share of the slope.
struct Move {
    float rate, keep, beta1, beta2, eps, share;
};

}  // namespace elman
