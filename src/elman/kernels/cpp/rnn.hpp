// Elman's network: h' = φ(W_ih x + b_ih + W_hh h + b_hh), φ = tanh, relu or the identity.
#pragma once

#include "kernels.hpp"
#include "tile.hpp"

namespace elman::ELMAN_ISA {

struct Rnn {
    static constexpr elman::Cell kind = Cell::rnn;
    static constexpr int gates = 1;
    static constexpr int units = 32;         // of a panel
    static constexpr int width = 32;         // floats of a panel at one k
    static constexpr int saved = 32;         // floats of a panel in a row of sums
    static constexpr int vectors = 2, between = W;
    static constexpr int parts = 32 / (2 * W), step = 2 * W;  // vectors cover `step` floats; so many make a panel

    Activation activation;

    ELMAN_INLINE void start(Vec (&acc)[2], const float *sums, const float *) const {
        ELMAN_UNROLL
        for (int v = 0; v < 2; ++v) acc[v] = load(sums + v * W);
    }

    // between the product with the input and that with the state
    ELMAN_INLINE static void turn(Vec (&)[2], float *, const float *) {}

    // The sums of P panels and MR rows become states. `row` says where the parts of one panel and row stand.
    template <int P, int MR, class R>
    ELMAN_INLINE void finish(Tile<P, MR, 2> &acc, Keep, const R &row) const {
        Vec a[P * MR * 2];
        ELMAN_UNROLL
        for (int k = 0; k < P * MR * 2; ++k) a[k] = acc[k / (MR * 2)][k / 2 % MR][k % 2];
        phi(a);
        ELMAN_UNROLL
        for (int k = 0; k < P * MR * 2; ++k) {
            row(k / (MR * 2), k / 2 % MR).give(a[k], k % 2 * W);
        }
    }

    template <int N>
    ELMAN_INLINE void phi(Vec (&a)[N]) const {
        if (activation == Activation::tanh) {
            tanh_all(a);
        } else if (activation == Activation::relu) {
            ELMAN_UNROLL
            for (int k = 0; k < N; ++k) a[k] = select(less(a[k], set(0.0f)), set(0.0f), a[k]);  // NaN stays
        }
    }

    // d(h) -> d(a), of one vector of units: in the forward pass h = φ(a)
    ELMAN_INLINE Vec d_phi(Vec d_h, Vec h) const {
        switch (activation) {
            case Activation::tanh: return d_h * (set(1.0f) - h * h);
            case Activation::relu: return select(less(set(0.0f), h), d_h, set(0.0f));
            default: return d_h;
        }
    }
};

}  // namespace elman::ELMAN_ISA
