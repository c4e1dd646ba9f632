// Rows of an embedding: their sums, and AdamW moving them one by one (train/resting.py has the equations).
#pragma once

#include <cstdint>

namespace elman {

// Dropout: 16 random bits for each number; those below `dropped` put 0 in its place, the others multiply it by `scale`.
struct Drop {
    const uint16_t *bits;  // null: nothing is dropped
    int32_t dropped;
    float scale;
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

// One update: w = keep w - rate m' / (√v' + eps), m' = β1 m + (1 - β1) g, v' = β2 v + (1 - β2) g².
struct Move {
    float rate, keep, beta1, beta2, eps;
};

}  // namespace elman
