// A layer in one direction at one time, for any cell: the product with the input, then that with the state and the gates.
#pragma once

#include <algorithm>
#include <cstring>

#include "chunk.hpp"
#include "tile.hpp"

namespace elman::ELMAN_ISA {

// sums[m] = bias + W_ih x[m]: row 0 of both is the first that is meant
template <class C>
struct Project {
    const Packed &w;
    const float *x;
    float *sums;
    int64_t turn = 0;  // which tile of a panel it is

    template <int P, int MR>
    void run(int64_t panel, int64_t row) const {
        for (int at = 0, all = static_cast<int>(lanes_of<C>(w.H)); at < all; at += C::step) part<P, MR>(panel, row, at);
    }

    template <int P, int MR>
    ELMAN_INLINE void part(int64_t panel, int64_t row, int at) const {
        const ptrdiff_t panel_size = w.D * C::width, row_size = panels_of_units<C>(w.H) * C::saved;
        const float *bias = w.bias.data() + panel * C::width + at;
        Tile<P, MR, C::vectors> acc;
        const float *rows[MR];
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            rows[i] = x + (row + i) * w.D;
            ELMAN_UNROLL
            for (int p = 0; p < P; ++p) {
                ELMAN_UNROLL
                for (int v = 0; v < C::vectors; ++v) acc[p][i][v] = load(bias + p * C::width + v * C::between);
            }
        }
        float *to = sums + row * row_size + panel * C::saved + at;
        if constexpr (W == 16) ask_to_write<MR, C::vectors * W>(to, row_size);
        const float *own = w.w_ih.data() + panel * panel_size;
        const Soon next_rows{rows[0] + MR * w.D, 16};  // which the first panel meets far away
        const Soon soon = panel ? share_of_next(own, own + panel_size, panel_size, turn, w.D) : next_rows;
        chain_of_tile<C::between>(acc, rows, w.D, own + at, panel_size, C::width, w.D, soon);
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            ELMAN_UNROLL
            for (int p = 0; p < P; ++p) {
                ELMAN_UNROLL
                for (int v = 0; v < C::vectors; ++v)
                    store(to + i * row_size + p * C::saved + v * C::between, acc[p][i][v]);
            }
        }
    }
};

// the same for a one-hot input: its product is a column of W_ih
template <class C>
void look_up(const Packed &w, const int64_t *ids, float *sums, int64_t rows, int part, int parts) {
    const int64_t panels = panels_of_units<C>(w.H), row_size = panels * C::saved;
    for (int64_t m = part; m < rows; m += parts)
        for (int64_t panel = 0; panel < panels; ++panel) {
            const float *bias = w.bias.data() + panel * C::width;
            const float *column = w.w_ih.data() + (panel * w.D + ids[m]) * C::width;
            for (int v = 0; v < C::width; v += W)
                store(sums + m * row_size + panel * C::saved + v, load(bias + v) + load(column + v));
        }
}

// the packed rows low ... high-1
template <class C>
void project(const Forward &f, int64_t low, int64_t high, float *sums, int part, int parts) {
    const Packed &w = *f.weights;
    if (f.ids) return look_up<C>(w, f.ids + low, sums, high - low, part, parts);
    each_tile<C::vectors>(panels_of_units<C>(w.H), high - low, high - low, part, parts, Project<C>{w, f.x + low * w.D, sums});
}

// Where one vector of units of one row stands; `left` units are left from here on.
struct Place {
    float *sums;
    const float *h, *c;
    float *c_next, *h_next;
    int64_t left;
};

// One step: what it reads and writes, row 0 of each.
template <class C>
struct Step {
    const C &cell;
    const Packed &w;
    bool keep;
    const float *h;   // (rows, H)
    float *sums;      // (rows, row of sums): in: the input products; out: the gates, if they are kept
    const int64_t *ids;  // null; or row i's sums are row ids[i] of `sums`, which are not written
    int64_t count;    // rows
    const float *c;   // (rows, padded H)
    float *c_next;    // (rows, padded H); may be c
    float *h_next;    // (rows, H)
    bool from_nought = false;  // h is noughts, and W_hh finite: their product adds nothing
    int64_t turn = 0;  // which tile of a panel it is

    template <int P, int MR>
    void run(int64_t panel, int64_t row) const {
        for (int at = 0, all = static_cast<int>(lanes_of<C>(w.H)); at < all; at += C::step) part<P, MR>(panel, row, at);
    }

    template <int P, int MR>
    ELMAN_INLINE void part(int64_t panel, int64_t row, int at) const {
        const int64_t H = w.H;
        const ptrdiff_t panel_size = H * C::width, row_size = panels_of_units<C>(H) * C::saved, c_size = padded(H);
        Tile<P, MR, C::vectors> acc;
        const float *rows[MR];
        float *own[MR];
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            rows[i] = h + (row + i) * H;
            own[i] = sums + (ids ? ids[row + i] : row + i) * row_size + panel * C::saved + at;
            ELMAN_UNROLL
            for (int p = 0; p < P; ++p)
                cell.start(acc[p][i], own[i] + p * C::saved, w.bias_q.data() + (panel + p) * 16 + at);
        }
        if (ids) ask_ahead<MR>(row + MR, panel * C::saved + at, row_size);
        else ask_for_next_panel(own);
        ask_to_write<MR, C::gates == 1 ? C::step : W>(h_next + row * H + panel * C::units + at, H);
        const float *weights = w.w_hh.data() + panel * panel_size;
        const Soon soon = share_of_next(weights, weights + panel_size, panel_size, turn, H);
        if (from_nought) add_nought(acc);
        else chain_of_tile<C::between>(acc, rows, H, weights + at, panel_size, C::width, H, soon);
        cell.finish(acc, keep, [&](int p, int i) {
            const int64_t unit = (panel + p) * C::units + at, r = row + i;
            return Place{own[i] + p * C::saved, h + r * H + unit,      c + r * c_size + unit,
                         c_next + r * c_size + unit, h_next + r * H + unit, H - unit};
        });
    }

    // what a product of noughts does to a sum: -0 becomes 0
    template <int P, int MR>
    ELMAN_INLINE static void add_nought(Tile<P, MR, C::vectors> &acc) {
        ELMAN_UNROLL
        for (int k = 0; k < P * MR * C::vectors; ++k) {
            Vec &sum = acc[k / (MR * C::vectors)][k / C::vectors % MR][k % C::vectors];
            sum = sum + set(0.0f);
        }
    }

    // the sums of this tile's rows in the next panel, each in a line of its own, are far away for a large layer
    template <int MR>
    ELMAN_INLINE static void ask_for_next_panel(float *const (&own)[MR]) {
        if constexpr (MR > 2) {
            ELMAN_UNROLL
            for (int i = 0; i < MR; ++i) {
                ELMAN_UNROLL
                for (int v = 0; v < C::saved; v += 16) __builtin_prefetch(own[i] + C::saved + v);
            }
        }
    }

    // the next tile's sums lie anywhere in a table: have them brought while this one's product runs
    template <int MR>
    ELMAN_INLINE void ask_ahead(int64_t row, int64_t at, ptrdiff_t row_size) const {
        for (int64_t i = row; i < std::min(row + MR, count); ++i)
            for (int v = 0; v < C::vectors; ++v) __builtin_prefetch(sums + ids[i] * row_size + at + v * C::between);
    }
};

template <class C>
void one_step(const C &cell, const Packed &w, int64_t S, const float *x, float *h, float *c, float *sums, float *h_next) {
    const int64_t panels = panels_of_units<C>(w.H);
    each_tile<C::vectors>(panels, S, S, 0, 1, Project<C>{w, x, sums});
    each_tile<C::vectors>(panels, S, S, 0, 1, Step<C>{cell, w, false, h, sums, nullptr, S, c, c, h_next});
    std::memcpy(h, h_next, static_cast<size_t>(S * w.H) * sizeof(float));
}

}  // namespace elman::ELMAN_ISA
