// The gated recurrent unit: r, z = σ(W_ih x + b_ih + W_hh h + b_hh); q = W_hn h + b_hn;
// n = tanh(W_in x + b_in + r q), h' = n + z (h − n).
#pragma once

#include "kernels.hpp"
#include "tile.hpp"

namespace elman::ELMAN_ISA {

struct Gru {
    static constexpr elman::Cell kind = Cell::gru;
    static constexpr int gates = 3;
    static constexpr int units = 16, width = 48, saved = 64;  // a row of sums has room for q
    static constexpr int vectors = 3, between = 16;
    static constexpr int parts = 16 / W, step = W;

    ELMAN_INLINE void start(Vec (&acc)[3], const float *sums, const float *bias_q) const {
        acc[0] = load(sums);
        acc[1] = load(sums + 16);
        acc[2] = load(bias_q);
    }

    ELMAN_INLINE void finish(const Vec (&acc)[3], float *gates_, bool keep, const float *h, const float *,
                             float *, float *h_next, int64_t n) const {
        const Vec r = sigmoid(acc[0]), z = sigmoid(acc[1]), q = acc[2];
        const Vec new_ = tanh(fma(r, q, load(gates_ + 32)));
        store_some(h_next, fma(z, load_some(h, n) - new_, new_), n);
        if (keep) {
            store(gates_, r);
            store(gates_ + 16, z);
            store(gates_ + 32, new_);
            store(gates_ + 48, q);
        }
    }

    // One vector of units. Writes d_a as [n | r | z | q], so that the side of x reads n r z and the side of h
    // reads r z q, each in one piece; gives what h gets past the gates.
    ELMAN_INLINE static Vec backward(Vec d_h, const float *gates_, Vec h, float *d_a) {
        const Vec one = set(1.0f);
        const Vec r = load(gates_), z = load(gates_ + 16), n = load(gates_ + 32), q = load(gates_ + 48);
        // in the forward pass h' = n + z (h − n), so
        const Vec d_z = d_h * (h - n);
        // in the forward pass n = tanh(a_n + r q), so
        const Vec d_n = d_h * (one - z) * (one - n * n);
        // in the forward pass r = σ(a_r), z = σ(a_z), so
        store(d_a, d_n);
        store(d_a + 16, (d_n * q) * (r * (one - r)));
        store(d_a + 32, d_z * (z * (one - z)));
        store(d_a + 48, d_n * r);
        return d_h * z;
    }
};

}  // namespace elman::ELMAN_ISA
