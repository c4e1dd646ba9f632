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

    // between the product with the input and that with the state
    ELMAN_INLINE static void turn(Vec (&)[4], float *, const float *) {}

    // The sums of P panels and MR rows become gates and states. `row` says where those of one panel and row stand.
    template <int P, int MR, class R>
    ELMAN_INLINE void finish(Tile<P, MR, 4> &acc, Keep keep, const R &row) const {
        constexpr int N = P * MR;
        Vec i[N], f[N], g[N], o[N], t[N];
        ELMAN_UNROLL
        for (int k = 0; k < N; ++k) {
            i[k] = acc[k / MR][k % MR][0], f[k] = acc[k / MR][k % MR][1];
            g[k] = acc[k / MR][k % MR][2], o[k] = acc[k / MR][k % MR][3];
        }
        sigmoid_all(i);
        tanh_all(g);
        sigmoid_all(f);
        ELMAN_UNROLL
        for (int k = 0; k < N; ++k) {
            const auto at = row(k / MR, k % MR);
            t[k] = fma(f[k], load(at.c), i[k] * g[k]);
            store(at.c_next, t[k]);
            keep_gate(keep, at.gates, i[k]), keep_gate(keep, at.gates + 16, f[k]), keep_gate(keep, at.gates + 32, g[k]);
        }
        sigmoid_all(o);
        tanh_all(t);
        ELMAN_UNROLL
        for (int k = 0; k < N; ++k) {
            const auto at = row(k / MR, k % MR);
            at.give(o[k] * t[k]);
            keep_gate(keep, at.gates + 48, o[k]);
        }
    }

    // One vector of units; t = tanh(c'). `d_h` is the whole gradient of h'; r_c goes in as that of c' and out as that of c.
    ELMAN_INLINE static void backward(Vec d_h, const float *gates_, const float *c_before, Vec t, float *r_c, float *d_a, ptrdiff_t next) {
        const Vec one = set(1.0f);
        const Vec i = load(gates_), f = load(gates_ + 16), g = load(gates_ + 32), o = load(gates_ + 48);
        // in the forward pass h' = o · tanh(c'), so
        const Vec d_c = fma(d_h * o, one - t * t, load(r_c));
        const Vec d_o = d_h * t;
        // in the forward pass c' = f · c + i · g, so
        const Vec d_i = d_c * g, d_f = d_c * load(c_before), d_g = d_c * i;
        store(r_c, d_c * f);
        // in the forward pass i = σ(a_i), g = tanh(a_g), so
        store(d_a, d_i * (i * (one - i)));
        store(d_a + next, d_f * (f * (one - f)));
        store(d_a + 2 * next, d_g * (one - g * g));
        store(d_a + 3 * next, d_o * (o * (one - o)));
    }
};

}  // namespace elman::ELMAN_ISA
