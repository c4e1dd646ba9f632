// Long short-term memory: a = W_ih x + b_ih + W_hh h + b_hh for i, f, g, o;
// c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c').
#pragma once

#include "kernels.hpp"
#include "tile.hpp"

namespace elman::ELMAN_ISA {

struct Lstm {
    static constexpr elman::Cell kind = Cell::lstm;
    static constexpr int gates = 4;
    static constexpr int units = 16, width = 64, saved = 64;
    static constexpr int vectors = 4, between = 16;
    static constexpr int parts = 16 / W, step = W;

    ELMAN_INLINE void start(Vec (&acc)[4], const float *sums, const float *) const {
        ELMAN_UNROLL
        for (int v = 0; v < 4; ++v) acc[v] = load(sums + v * 16);
    }

    ELMAN_INLINE void finish(const Vec (&acc)[4], float *gates_, bool keep, const float *, const float *c,
                             float *c_next, float *h_next, int64_t n) const {
        const Vec i = sigmoid(acc[0]), f = sigmoid(acc[1]), g = tanh(acc[2]), o = sigmoid(acc[3]);
        const Vec next = fma(f, load(c), i * g);
        store(c_next, next);
        store_some(h_next, o * tanh(next), n);
        if (keep) {
            store(gates_, i);
            store(gates_ + 16, f);
            store(gates_ + 32, g);
            store(gates_ + 48, o);
        }
    }

    // One vector of units. `d_h` is the whole gradient of h'; r_c goes in as that of c' and out as that of c.
    ELMAN_INLINE static void backward(Vec d_h, const float *gates_, const float *c_before, const float *c_after,
                                      float *r_c, float *d_a) {
        const Vec one = set(1.0f);
        const Vec i = load(gates_), f = load(gates_ + 16), g = load(gates_ + 32), o = load(gates_ + 48);
        const Vec t = tanh(load(c_after));
        // in the forward pass h' = o · tanh(c'), so
        const Vec d_c = fma(d_h * o, one - t * t, load(r_c));
        const Vec d_o = d_h * t;
        // in the forward pass c' = f · c + i · g, so
        const Vec d_i = d_c * g, d_f = d_c * load(c_before), d_g = d_c * i;
        store(r_c, d_c * f);
        // in the forward pass i = σ(a_i), g = tanh(a_g), so
        store(d_a, d_i * (i * (one - i)));
        store(d_a + 16, d_f * (f * (one - f)));
        store(d_a + 32, d_g * (one - g * g));
        store(d_a + 48, d_o * (o * (one - o)));
    }
};

}  // namespace elman::ELMAN_ISA
