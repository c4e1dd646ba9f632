// One row of few units, alone: each of its fma waits for the one before. All vectors of units go through the chain side by
// side, and the input product of the next step is taken in what is left of the wait.
#pragma once

#include <algorithm>

#include "rnn.hpp"

namespace elman::ELMAN_ISA {

// acc[v] += number * w[v]
template <int NV>
ELMAN_INLINE void add_line(Vec (&acc)[NV], float number, const float *w) {
    const Vec a = set(number);
    ELMAN_UNROLL
    for (int v = 0; v < NV; ++v) acc[v] = fma(a, load(w + v * W), acc[v]);
}

// Forward over time of one row of NV vectors of units, which are one panel; the same chains as those of `Project` and `Step`.
template <int NV>
class LoneRow {
  public:
    LoneRow(const Forward &f, const Rnn &cell) : f_(f), w_(*f.weights), rows_(*f.rows), cell_(cell) {}

    void operator()() const {
        const float *h = f_.h0;
        Vec sums[NV], next[NV];
        begin(next, 0);
        for (int64_t k = 0; !f_.ids && k < w_.D; ++k) add_line(next, input(0)[k], input_weights(k));
        for (int64_t s = 0; s < rows_.steps(); ++s) {
            const int64_t after = std::min(s + 1, rows_.steps() - 1);
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v) sums[v] = next[v];
            begin(next, after);
            products(sums, h, next, input(after));
            float *out = f_.out + at(s) * w_.H;
            cell_.phi(sums);
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v) store_some(out + v * W, sums[v], w_.H - v * W);
            h = out;
        }
    }

  private:
    int64_t at(int64_t s) const { return rows_.offset[static_cast<size_t>(rows_.time(s))]; }
    const float *input(int64_t s) const { return f_.ids ? nullptr : f_.x + at(s) * w_.D; }
    const float *input_weights(int64_t k) const { return w_.w_ih.data() + k * Rnn::width; }

    // what the sums of step s begin with; of a symbol that is all of its input
    ELMAN_INLINE void begin(Vec (&sums)[NV], int64_t s) const {
        const float *column = f_.ids ? input_weights(f_.ids[at(s)]) : nullptr;
        ELMAN_UNROLL
        for (int v = 0; v < NV; ++v) {
            sums[v] = load(w_.bias.data() + v * W);
            if (column) sums[v] = sums[v] + load(column + v * W);
        }
    }

    // this step's product with the state, and the next one's with its input, unless that is a symbol
    ELMAN_INLINE void products(Vec (&sums)[NV], const float *h, Vec (&next)[NV], const float *x) const {
        const float *w_hh = w_.w_hh.data();
        const int64_t H = w_.H, D = x ? w_.D : 0, both = std::min(H, D);
        for (int64_t k = 0; k < both; ++k) {
            add_line(sums, h[k], w_hh + k * Rnn::width);
            add_line(next, x[k], input_weights(k));
        }
        for (int64_t k = both; k < H; ++k) add_line(sums, h[k], w_hh + k * Rnn::width);
        for (int64_t k = both; k < D; ++k) add_line(next, x[k], input_weights(k));
    }

    const Forward &f_;
    const Packed &w_;
    const Rows &rows_;
    const Rnn &cell_;
};

inline bool is_lone_row(const Forward &f) {
    const bool one_each = f.rows->M && f.rows->M == f.rows->steps();
    return one_each && f.weights->H <= Rnn::units && !f.table_rows && !f.reset && !f.parent;
}

// Runs it with the number of vectors as a constant, for one row of one panel.
template <int NV>
void lone_row(const Forward &f, const Rnn &cell) {
    if constexpr (NV > 1)
        if (f.weights->H <= (NV - 1) * W) return lone_row<NV - 1>(f, cell);
    LoneRow<NV>(f, cell)();
}

}  // namespace elman::ELMAN_ISA
