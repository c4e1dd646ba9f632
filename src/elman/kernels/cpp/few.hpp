// Rows of few units: a tile of rows goes through all steps with its states in the first cache, and no input product is ever
// stored. A few rows wait for each fma, as each needs the one before: in that wait the next step's input product is taken.
#pragma once

#include <algorithm>

#include "halves.hpp"
#include "rnn.hpp"

namespace elman::ELMAN_ISA {

// Forward over time of rows of NV vectors of units, which are one panel; the same chains as those of `Project` and `Step`.
template <int NV>
class FewUnits {
  public:
    FewUnits(const Forward &f, const Rnn &cell) : f_(f), w_(*f.weights), rows_(*f.rows), cell_(cell) {}

    // the rows [first, last), tile after tile; the rows of a tile end one after the other, the last one first
    void operator()(int64_t first, int64_t last) const {
        const Shares tiles(last - first, most, 1);
        for (int64_t i = 0; i < tiles.tiles; ++i) through(first + tiles.first(i), first + tiles.first(i + 1));
    }

  private:
    static constexpr int most = rows_of(NV);  // rows of a tile
    static constexpr int width = NV * W;      // floats between the states of two rows

    int64_t offset(int64_t s) const { return rows_.offset[static_cast<size_t>(rows_.time(s))]; }
    int64_t rows_at(int64_t s, int64_t first, int64_t last) const {
        return s < rows_.steps() ? std::min(rows_.count[static_cast<size_t>(rows_.time(s))], last) - first : 0;
    }

    void through(int64_t first, int64_t last) const {
        alignas(64) float h[most * width];
        for (int64_t i = 0; i < last - first; ++i)
            for (int v = 0; v < width; v += W) store(h + i * width + v, load_some(f_.h0 + (first + i) * w_.H + v, w_.H - v));
        for (int64_t s = 0, n; (n = rows_at(s, first, last)) > 0;) {
            int64_t end = s + 1;
            while (rows_at(end, first, last) == n) ++end;
            run_rows<1, most>(Steps{*this, h, first, end}, n, 0, s);
            s = end;
        }
    }

    // the steps [s, end) of the rows from `first` on
    struct Steps {
        const FewUnits &all;
        float *h;
        int64_t first, end;
        template <int, int MR>
        void run(int64_t, int64_t s) const {
            if constexpr (3 * MR * NV <= rows_of(1)) return ahead<MR>(s);
            for (; s < end; ++s) {
                Tile<1, MR, NV> sums;
                all.begin(sums, at(s));
                all.bring(at(std::min(s + 1, end - 1)), MR);
                all.add_states(sums, h, 0);
                all.finish(sums, at(s), h);
            }
        }
        template <int MR>
        ELMAN_INLINE void ahead(int64_t s) const {
            Tile<1, MR, NV> sums, next;
            for (all.begin(next, at(s)); s < end; ++s) {
                ELMAN_UNROLL
                for (int k = 0; k < MR * NV; ++k) sums[0][k / NV][k % NV] = next[0][k / NV][k % NV];
                all.add_states(sums, h, next, at(std::min(s + 1, end - 1)));
                all.finish(sums, at(s), h);
            }
        }
        int64_t at(int64_t s) const { return all.offset(s) + first; }
    };

    // What the sums of the packed rows from `at` on begin with: the input products and the biases
    template <int MR>
    ELMAN_INLINE void begin(Tile<1, MR, NV> &sums, int64_t at) const {
        begin_empty(sums, at);
        add_inputs(sums, at, 0);
    }

    // The same without dense inputs; of a symbol that is all.
    template <int MR>
    ELMAN_INLINE void begin_empty(Tile<1, MR, NV> &sums, int64_t at) const {
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            const float *column = f_.ids ? w_.w_ih.data() + f_.ids[at + i] * Rnn::width : nullptr;
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v) {
                sums[0][i][v] = load(w_.bias.data() + v * W);
                if (column) sums[0][i][v] = sums[0][i][v] + load(column + v * W);
            }
        }
    }

    int64_t numbers() const { return f_.ids ? 0 : w_.D; }  // of a row's dense input

    // += W_ih x, from the number k on
    template <int MR>
    ELMAN_INLINE void add_inputs(Tile<1, MR, NV> &sums, int64_t at, int64_t k) const {
        const float *x[MR];
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) x[i] = f_.x + (at + i) * numbers() + k;
        chain<W, false>(sums, x, w_.w_ih.data() + k * Rnn::width, 0, Rnn::width, numbers() - k);
    }

    // += W_hh h, from the unit k on
    template <int MR>
    ELMAN_INLINE void add_states(Tile<1, MR, NV> &sums, const float *h, int64_t k) const {
        const float *state[MR];
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) state[i] = h + i * width + k;
        chain<W, false>(sums, state, w_.w_hh.data() + k * Rnn::width, 0, Rnn::width, w_.H - k);
    }

    // the same, and `next` becomes what the sums of the packed rows from `at` on begin with
    template <int MR>
    ELMAN_INLINE void add_states(Tile<1, MR, NV> &sums, const float *h, Tile<1, MR, NV> &next, int64_t at) const {
        begin_empty(next, at);
        const int64_t D = numbers(), both = std::min(w_.H, D);
        const float *x = f_.x + at * D, *w_hh = w_.w_hh.data(), *w_ih = w_.w_ih.data();
        for (int64_t k = 0; k < both; ++k) {
            add_line(sums, h + k, width, w_hh + k * Rnn::width);
            add_line(next, x + k, D, w_ih + k * Rnn::width);
        }
        add_states(sums, h, both);
        add_inputs(next, at, both);
    }

    template <int MR>
    ELMAN_INLINE static void add_line(Tile<1, MR, NV> &sums, const float *numbers, ptrdiff_t stride, const float *w) {
        Vec b[NV];
        ELMAN_UNROLL
        for (int v = 0; v < NV; ++v) b[v] = load(w + v * W);
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            const Vec a = set(numbers[i * stride]);
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v) sums[0][i][v] = fma(a, b[v], sums[0][i][v]);
        }
    }

    // the sums become states, of the tile and of the output
    template <int MR>
    ELMAN_INLINE void finish(Tile<1, MR, NV> &sums, int64_t at, float *h) const {
        Vec a[MR * NV];
        ELMAN_UNROLL
        for (int k = 0; k < MR * NV; ++k) a[k] = sums[0][k / NV][k % NV];
        cell_.phi(a);
        ELMAN_UNROLL
        for (int k = 0; k < MR * NV; ++k) {
            store(h + k * W, a[k]);
            store_some(f_.out + (at + k / NV) * w_.H + k % NV * W, a[k], w_.H - k % NV * W);
        }
    }

    void bring(int64_t at, int64_t rows) const {
        for (int64_t k = 0, all = rows * numbers(); k < all; k += 16) __builtin_prefetch(f_.x + at * numbers() + k);
    }

    const Forward &f_;
    const Packed &w_;
    const Rows &rows_;
    const Rnn &cell_;
};

// Two vectors at most, as more leave the registers too few rows; but for one row alone all of a panel.
inline bool has_few_units(const Forward &f) {
    const int64_t M = f.rows->M, units = M == f.rows->steps() ? Rnn::units : std::min(Rnn::units, 2 * W);
    return M && f.weights->H <= units && !f.table_rows && !f.reset && !f.parent;
}

// Runs it with the number of vectors as a constant.
template <int NV>
void few_units(const Forward &f, const Rnn &cell) {
    if constexpr (NV > 1)
        if (f.weights->H <= (NV - 1) * W) return few_units<NV - 1>(f, cell);
    const FewUnits<NV> rows(f, cell);
    const Halves halves(*f.rows, f.rows->B <= 2 ? 1 : f.threads);
    parallel(halves.parts(), [&](int part, int parts) {
        for (int i = part; i < halves.parts(); i += parts) rows(halves.at(i), halves.at(i + 1));
    });
}

}  // namespace elman::ELMAN_ISA
