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

    // between the product with the input and that with the state: a_n is put aside, q begins
    ELMAN_INLINE static void turn(Vec (&acc)[3], float *sums, const float *bias_q) {
        store(sums + 32, acc[2]);
        acc[2] = load(bias_q);
    }

    // The sums of P panels and MR rows become gates and states. `row` says where those of one panel and row stand.
    template <int P, int MR, class R>
    ELMAN_INLINE void finish(Tile<P, MR, 3> &acc, Keep keep, const R &row) const {
        constexpr int N = P * MR;
        Vec r[N], z[N], n[N];
        ELMAN_UNROLL
        for (int k = 0; k < N; ++k) r[k] = acc[k / MR][k % MR][0], z[k] = acc[k / MR][k % MR][1];
        sigmoid_all(r);
        ELMAN_UNROLL
        for (int k = 0; k < N; ++k) {
            const auto at = row(k / MR, k % MR);
            const Vec q = acc[k / MR][k % MR][2];
            n[k] = fma(r[k], q, load(at.sums + 32));
            keep_gate(keep, at.gates, r[k]), keep_gate(keep, at.gates + 48, q);
        }
        sigmoid_all(z);
        tanh_all(n);
        ELMAN_UNROLL
        for (int k = 0; k < N; ++k) {
            const auto at = row(k / MR, k % MR);
            at.give(fma(z[k], at.state() - n[k], n[k]));
            keep_gate(keep, at.gates + 16, z[k]), keep_gate(keep, at.gates + 32, n[k]);
        }
    }

    // One vector of units. Writes d_a as [n | r | z | q], so that the side of x reads n r z and the side of h
    // reads r z q, each in one piece; gives what h gets past the gates.
    ELMAN_INLINE static Vec backward(Vec d_h, const float *gates_, Vec h, float *d_a, ptrdiff_t next) {
        const Vec one = set(1.0f);
        const Vec r = load(gates_), z = load(gates_ + 16), n = load(gates_ + 32), q = load(gates_ + 48);
        // in the forward pass h' = n + z (h − n), so
        const Vec d_z = d_h * (h - n);
        // in the forward pass n = tanh(a_n + r q), so
        const Vec d_n = d_h * (one - z) * (one - n * n);
        // in the forward pass r = σ(a_r), z = σ(a_z), so
        store(d_a, d_n);
        store(d_a + next, (d_n * q) * (r * (one - r)));
        store(d_a + 2 * next, d_z * (z * (one - z)));
        store(d_a + 3 * next, d_n * r);
        return d_h * z;
    }
};

}  // namespace elman::ELMAN_ISA
