// Rows of an embedding that AdamW moves one by one (train/resting.py has the equations). No torch, no Python.
#pragma once

#include <cstdint>

namespace elman {

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

// One update: w = keep w - rate m' / (√v' + eps), m' = β1 m + (1 - β1) g, v' = β2 v + (1 - β2) g².
struct Move {
    float rate, keep, beta1, beta2, eps;
};

// Brings the n rows of `ids` up to date; one named twice moves once.
void catch_up(const Table &table, const Rests &rests, const int64_t *ids, int64_t n);
// Moves each of n different rows by its slope (n, E); they rest since `now`.
void move_rows(const Table &table, const Move &move, const int64_t *rows, const float *slopes, int64_t n, int64_t now);
// Adds up the slopes (n, E) of equal ids, in their order; rows come as they first appear. `place` (V) is -1 before and
// after; `rows` has room for n, `sums` for (n, E). Returns how many rows there are.
int64_t sum_rows(const int64_t *ids, const float *slopes, int64_t n, int64_t E, int64_t *place, int64_t *rows, float *sums);

}  // namespace elman
