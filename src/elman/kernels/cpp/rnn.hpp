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

    ELMAN_INLINE Vec phi(Vec a) const {
        switch (activation) {
            case Activation::tanh: return tanh(a);
            case Activation::relu: return select(less(a, set(0.0f)), set(0.0f), a);  // NaN stays
            default: return a;
        }
    }

    // n units are left from h_next on; `keep` is null: the output is all that backward needs
    ELMAN_INLINE void finish(const Vec (&acc)[2], float *, bool, const float *, const float *, float *,
                             float *h_next, int64_t n) const {
        ELMAN_UNROLL
        for (int v = 0; v < 2; ++v) store_some(h_next + v * W, phi(acc[v]), n - v * W);
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
