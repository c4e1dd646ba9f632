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
    Turn turn = {};

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
        const Soon next_rows{rows[0] + MR * w.D, MR};  // which the first panel meets far away
        const Soon soon = panel ? share_of_next(own, own + P * panel_size, P * panel_size, turn, w.D) : next_rows;
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

// Where the units of one panel and row stand. `left` units are left from here on, which are all if the panel is `whole`.
template <bool whole>
struct Place {
    float *sums, *gates;
    const float *h, *c;
    float *c_next, *h_next;
    int64_t left;

    ELMAN_INLINE Vec state() const { return whole ? load(h) : load_some(h, left); }
    ELMAN_INLINE void give(Vec state, int at = 0) const {
        if (whole) store(h_next + at, state);
        else store_some(h_next + at, state, left - at);
    }
};

// The sums of a tile become gates and states: `corner` is the place of its first row and panel, but for the rows' `own` sums.
template <class C, int P, int MR>
ELMAN_INLINE void finish_tile(const C &cell, Tile<P, MR, C::vectors> &acc, Keep keep, float *const (&own)[MR], float *const (&gates)[MR], const Place<true> &corner,
                              int64_t H, bool whole) {
    const ptrdiff_t c_size = padded(H);
    const auto finish = [&](auto all) ELMAN_IN_PLACE {
        cell.finish(acc, keep, [&](int p, int i) ELMAN_IN_PLACE {
            const int right = p * C::units;
            return Place<all>{own[i] + p * C::saved, gates[i] + p * C::saved, corner.h + i * H + right, corner.c + i * c_size + right,
                              corner.c_next + i * c_size + right, corner.h_next + i * H + right, corner.left - right};
        });
    };
    if (whole) finish(std::true_type());
    else finish(std::false_type());
}

// One step: what it reads and writes, row 0 of each.
template <class C>
struct Step {
    const C &cell;
    const Packed &w;
    Keep keep;
    const float *x;   // (rows, D): its product is taken here; or null: it stands in `sums`
    const float *h;   // (rows, H)
    float *sums;      // (rows, row of sums) or null: in: the input products; out: the gates, if they are kept
    const int64_t *ids;  // null; or row i's sums are row ids[i] of `sums`, which are not written
    int64_t count;    // rows
    const float *c;   // (rows, padded H)
    float *c_next;    // (rows, padded H); may be c
    float *h_next;    // (rows, H)
    const float *soon_written = nullptr;  // null; or where these rows' gates are written next if they are kept, else their states
    const float *soon_cells = nullptr;  // null; or where these rows' cells are written next
    bool from_nought = false;  // h is noughts, and W_hh finite: their product adds nothing
    Turn turn = {};

    template <int P, int MR>
    void run(int64_t panel, int64_t row) const {
        for (int at = 0, all = static_cast<int>(lanes_of<C>(w.H)); at < all; at += C::step) part<P, MR>(panel, row, at);
    }

    template <int P, int MR>
    ELMAN_INLINE void part(int64_t panel, int64_t row, int at) const {
        const int64_t H = w.H, unit = panel * C::units + at;
        const ptrdiff_t panel_size = H * C::width, row_size = panels_of_units<C>(H) * C::saved, c_size = padded(H);
        Tile<P, MR, C::vectors> acc;
        const float *rows[MR];
        float *own[MR], *gates[MR];
        const float *const bias_q = w.bias_q.data() + panel * 16 + at;
        alignas(64) float room[P * C::saved * MR];  // where no sums are stored
        if (sums && keep != Keep::past) {
            float *const first = sums + panel * C::saved + at;
            ELMAN_UNROLL
            for (int i = 0; i < MR; ++i) own[i] = first + row * row_size + i * row_size;
            if (ids) {
                ELMAN_UNROLL
                for (int i = 0; i < MR; ++i) own[i] = first + ids[row + i] * row_size;
            }
        } else {
            ELMAN_UNROLL
            for (int i = 0; i < MR; ++i) own[i] = room + i * P * C::saved + at;
        }
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) gates[i] = keep == Keep::past ? sums + panel * C::saved + at + (row + i) * row_size : own[i];
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) rows[i] = h + row * H + i * H;
        if (x) {
            add_inputs(acc, panel, row, at);
            if (keep == Keep::near && (far() || !brings_written<P>())) ask_to_write_gates(own);
            ELMAN_UNROLL
            for (int k = 0; k < P * MR; ++k) cell.turn(acc[k / MR][k % MR], own[k % MR] + k / MR * C::saved, bias_q + k / MR * 16);
        } else {
            ELMAN_UNROLL
            for (int k = 0; k < P * MR; ++k) cell.start(acc[k / MR][k % MR], own[k % MR] + k / MR * C::saved, bias_q + k / MR * 16);
            if (ids) ask_ahead<MR>(row + MR, panel * C::saved + at, row_size);
            else ask_for_next_panel(own);
        }
        if (!x || !brings_written<P>()) ask_to_write<MR, P * (C::gates == 1 ? C::step : W)>(h_next + row * H + unit, H);
        const float *weights = w.w_hh.data() + panel * panel_size;
        const bool of_cells = soon_cells && !far();
        const Soon soon = of_cells ? share_of_cells<P>(panel, row, MR) : share_of_next(weights, weights + P * panel_size, P * panel_size, turn, H);
        if (from_nought) add_nought(acc);
        else chain_of_tile<C::between>(acc, rows, H, weights + at, panel_size, C::width, H, soon);
        const Place<true> corner{nullptr, nullptr, h + row * H + unit, c + row * c_size + unit, c_next + row * c_size + unit,
                                 h_next + row * H + unit, H - unit};
        finish_tile(cell, acc, keep, own, gates, corner, H, (panel + P) * C::units <= H);
    }

    // the sums begin with the biases and W_ih x
    template <int P, int MR>
    ELMAN_INLINE void add_inputs(Tile<P, MR, C::vectors> &acc, int64_t panel, int64_t row, int at) const {
        const int64_t D = w.D;
        const ptrdiff_t panel_size = D * C::width;
        const float *rows[MR], *const bias = w.bias.data() + panel * C::width + at, *const own = w.w_ih.data() + panel * panel_size;
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) rows[i] = x + row * D + i * D;
        ELMAN_UNROLL
        for (int k = 0; k < P * MR * C::vectors; ++k)
            acc[k / (MR * C::vectors)][k / C::vectors % MR][k % C::vectors] =
                load(bias + k / (MR * C::vectors) * C::width + k % C::vectors * C::between);
        const Soon next_rows{rows[0] + MR * D, MR};  // which the first panel meets far away
        const bool of_weights = far() || !brings_written<P>();
        const Soon soon = !panel ? next_rows : of_weights ? share_of_next(own, own + P * panel_size, P * panel_size, turn, D) : share_of_written<P>(panel, row, MR);
        chain_of_tile<C::between>(acc, rows, D, own + at, panel_size, C::width, D, soon);
    }

    // whether the weights do not stay in the cache
    bool far() const { return !stay_near((w.D + w.H) * panels_of_units<C>(w.H) * C::width); }

    // whether the panels after the first ones bring what is written next
    template <int P>
    bool brings_written() const { return soon_written && w.D && panels_of_units<C>(w.H) > P; }

    // Fresh memory is slow to come, and many lines asked for at once keep others waiting: a panel's share of what the next
    // step writes of these rows, spread over the whole product.
    template <int P>
    ELMAN_INLINE Soon share_of_written(int64_t panel, int64_t row, int64_t rows) const {
        const int64_t panels = panels_of_units<C>(w.H), size = keep == Keep::near && C::gates > 1 ? panels * C::saved : w.H;
        const int64_t share = rows * size / ((panels + P - 1) / P - 1);
        return {soon_written + row * size + (panel / P - 1) * share, (share + w.D - 1) / w.D};
    }

    // the same of cells, all panels of which have a share
    template <int P>
    ELMAN_INLINE Soon share_of_cells(int64_t panel, int64_t row, int64_t rows) const {
        const int64_t size = padded(w.H), share = rows * size / ((panels_of_units<C>(w.H) + P - 1) / P);
        return {soon_cells + row * size + panel / P * share, (share + w.H - 1) / w.H};
    }

    template <int MR>
    ELMAN_INLINE static void ask_to_write_gates(float *const (&own)[MR]) {
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            ELMAN_UNROLL
            for (int v = 0; v < (C::gates == 1 ? 0 : C::saved); v += 16) __builtin_prefetch(own[i] + v, 1);
        }
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
    each_tile<C::vectors>(panels, S, S, 0, 1, Step<C>{cell, w, Keep::none, nullptr, h, sums, nullptr, S, c, c, h_next});
    std::memcpy(h, h_next, static_cast<size_t>(S * w.H) * sizeof(float));
}

}  // namespace elman::ELMAN_ISA
