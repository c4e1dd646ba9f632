// Products outside the recurrence: y = x W' + b row by row, and weight gradients summed over rows.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels.hpp"
#include "tile.hpp"

namespace elman::ELMAN_ISA {

// A plain panel of 32 columns: what Rnn, the head and every input gradient use.
struct Plain {
    static constexpr int width = 32, vectors = 2, between = W, parts = 32 / (2 * W), step = 2 * W;
};

template <int MR, int NV>
ELMAN_INLINE void clear(Vec (&acc)[MR][NV]) {
    ELMAN_UNROLL
    for (int i = 0; i < MR; ++i) {
        ELMAN_UNROLL
        for (int v = 0; v < NV; ++v) acc[i][v] = set(0.0f);
    }
}

// x row i is x + i * x_stride, in `pieces` of `piece` numbers that lie x_piece apart: Σ over all of them. After each
// `group` of them the next is left out.
struct Operand {
    const float *x;
    ptrdiff_t x_stride;
    int64_t pieces, piece;
    ptrdiff_t x_piece;
    int64_t group = std::numeric_limits<int64_t>::max();
    bool of_lines() const { return x_stride == in_line && piece == in_line; }
};

// What will be read next, of each row `size` floats in some arrays: tiles have it brought while their products run.
struct Ahead {
    static constexpr int most = 6, lines_a_piece = 2 * in_line / written_out;
    const float *from[most];
    ptrdiff_t size[most];
    int arrays = 0;
    void add(const float *rows, ptrdiff_t floats) {
        if (rows) from[arrays] = rows, size[arrays++] = floats;
    }
};

// A tile's share of it: the lines of its rows, a part of them at each panel.
class Share {
  public:
    Share(const Ahead &ahead, int64_t row, int64_t rows, int64_t panel, int64_t end, int64_t panels)
        : ahead_(ahead), row_(row), rows_(rows), panel_(panel), end_panel_(end), panels_(panels) { next(); }
    ELMAN_INLINE void bring_some() {
        for (int n = 0; n < Ahead::lines_a_piece && line_ < end_; ++n) {
            __builtin_prefetch(line_, 0, 2);
            if ((line_ += 16) >= end_) next();
        }
    }
    // as many lines for the caller to bring, or `nothing`
    ELMAN_INLINE Soon some(const float *nothing) {
        if (line_ == end_) return {nothing, 0};
        const Soon lines = {line_, 16};
        if ((line_ += 16 * Ahead::lines_a_piece) >= end_) next();
        return lines;
    }

  private:
    void next() {
        line_ = end_ = nullptr;
        if (array_ == ahead_.arrays) return;
        const ptrdiff_t size = ahead_.size[array_], all = rows_ * size;
        const float *from = ahead_.from[array_++] + row_ * size;
        line_ = from + all * panel_ / panels_, end_ = from + all * end_panel_ / panels_;
    }

    const Ahead &ahead_;
    const int64_t row_, rows_, panel_, end_panel_, panels_;
    int array_ = 0;
    const float *line_, *end_;
};

struct Nothing {
    void operator()(int64_t, int, int64_t, int) const {}
};
template <class Tile, class After>
struct Then : Tile {
    const After &after;
    Then(const Tile &tile, const After &after_) : Tile(tile), after(after_) {}
    template <int P, int MR>
    void run(int64_t panel, int64_t row) const {
        Tile::template run<P, MR>(panel, row);
        after(panel, P, row, MR);
    }
};

// y[i, j] = start[i, j] + Σ_k x[i, k] panels[k, j], k rising. Row i of start stands at start + i * start_stride;
// a null start is nought. With `rows`, what is said of row i of start and y is said of their row rows[i].
struct Product {
    Operand a;
    const float *panels;
    int64_t columns;
    const float *start;
    ptrdiff_t start_stride;
    float *y;
    ptrdiff_t y_stride;
    const int64_t *rows;
    int64_t depth;  // k of a whole panel, of which `a` may be a part
    bool beyond;         // the second cache: half of it is not enough for all panels
    Turn turn = {};
    bool alone = false;  // one row is all there is: its pieces form four chains, as one would wait for each fma
    Ahead ahead = {};

    Product(const Operand &a_, const float *panels_, int64_t columns_, const float *start_, ptrdiff_t start_stride_, float *y_,
            ptrdiff_t y_stride_, const int64_t *rows_ = nullptr)
        : a(a_), panels(panels_), columns(columns_), start(start_), start_stride(start_stride_), y(y_), y_stride(y_stride_),
          rows(rows_), depth(a_.pieces * a_.piece), beyond(!stay_near(depth * columns_)) {}

    template <int P, int MR>
    void run(int64_t panel, int64_t row) const {
        for (int sub = 0; sub < Plain::parts; ++sub) {
            const int64_t left = columns - panel * 32 - sub * Plain::step;
            if (P == 1 && left <= 0) return;
            if (P == 1 && left <= W) part<P, MR, 1>(panel, row, sub * Plain::step);
            else part<P, MR, 2>(panel, row, sub * Plain::step);
        }
    }

    template <int P, int MR, int NV>
    ELMAN_INLINE void part(int64_t panel, int64_t row, int at) const {
        const ptrdiff_t panel_size = depth * Plain::width;
        const int64_t column = panel * 32 + at;
        Tile<P, MR, NV> acc;
        const bool whole = columns - column >= (P - 1) * 32 + NV * W;
        int64_t place[MR];
        if (rows) for (int i = 0; i < MR; ++i) place[i] = rows[row + i];
        else for (int i = 0; i < MR; ++i) place[i] = row + i;
        const auto each = [&](auto &&f) ELMAN_IN_PLACE {
            ELMAN_UNROLL
            for (int k = 0; k < P * MR * NV; ++k)
                f(acc[k / (MR * NV)][k / NV % MR][k % NV], place[k / NV % MR], k / (MR * NV) * 32 + k % NV * W);
        };
        const float *const from = start ? start + column : nullptr;
        if (!start) each([&](Vec &sum, int64_t, int) ELMAN_IN_PLACE { sum = set(0.0f); });
        else if (whole) each([&](Vec &sum, int64_t i, int j) ELMAN_IN_PLACE { sum = load(from + i * start_stride + j); });
        else each([&](Vec &sum, int64_t i, int j) ELMAN_IN_PLACE { sum = load_some(from + i * start_stride + j, columns - column - j); });
        const float *w = panels + panel * panel_size + at;
        float *const to = y + column;
        const int64_t panels_of_all = (columns + 31) / 32;
        Share soon_rows(ahead, row, MR, panel, std::min(panel + P, panels_of_all), panels_of_all);
        const int64_t K = a.pieces * a.piece;
        Soon soon = share_of_next(w, w + P * panel_size, P * K * Plain::width, at || !beyond ? Turn{} : turn, K);
        const bool far = depth >= near_k;  // pieces of so many rows leave the first cache before they are read again
        const float *x = a.x + row * a.x_stride;
        const int asked_a_piece = a.pieces < 4 ? MR : 3;  // rows to be written: all at once would keep what is read waiting
        constexpr bool tall = NV == 2 && is_tall(P * NV, MR);
        const bool of_lines = tall && a.of_lines();
        int asked = 0;
        for (int64_t piece = 0, left = a.group; piece < a.pieces; ++piece, w += a.piece * Plain::width) {
            for (const int now = asked + asked_a_piece; MR > 2 && asked < now && asked < MR; ++asked)
                for (int j = 0; j < P * NV * W; j += 16) __builtin_prefetch(to + place[asked] * y_stride + j, 1);
            const bool one_out = --left == 0;
            if (one_out) left = a.group;
            const float *const next = x + (one_out ? 2 : 1) * a.x_piece;
            const Soon now = far ? soon : Soon{w, 0};
            if constexpr (tall)
                if (of_lines) chain_of_lines<W>(acc, x, next, w, panel_size, Plain::width, now, soon_rows.some(w));
            if (!of_lines) {
                const float *each_row[MR];
                ELMAN_UNROLL
                for (int i = 0; i < MR; ++i) each_row[i] = x + i * a.x_stride;
                if (MR > 2 && far) {
                    ELMAN_UNROLL
                    for (int i = 0; i < MR; ++i) __builtin_prefetch(each_row[i] + a.x_piece);
                }
                if (MR > 2) soon_rows.bring_some();
                chain_of_tile<W>(acc, each_row, a.x_stride, w, panel_size, Plain::width, a.piece, now);
            }
            soon.line += a.piece * soon.step;
            x = next;
        }
        asm("" : "+m"(place));  // else the compiler keeps an address for each row
        if (whole) each([&](Vec &sum, int64_t i, int j) ELMAN_IN_PLACE { store(to + i * y_stride + j, sum); });
        else each([&](Vec &sum, int64_t i, int j) ELMAN_IN_PLACE { store_some(to + i * y_stride + j, sum, columns - column - j); });
    }

    // y[0] = start[0] + ((c0 + c1) + (c2 + c3)): chain c takes the pieces c, c + 4, c + 8 ... of the row
    void one_row(int64_t panel, int64_t at) const {
        constexpr int chains = 4;
        Vec acc[chains][2];
        clear(acc);
        const float *x = a.x, *w = panels + panel * depth * Plain::width + at;
        for (int64_t piece = 0, left = a.group; piece < a.pieces;) {
            const float *from[chains];
            int n = 0;
            for (; n < chains && piece < a.pieces; ++n, ++piece, x += a.x_piece) {
                from[n] = x;
                if (--left == 0) left = a.group, x += a.x_piece;
            }
            for (int64_t k = 0; k < a.piece; ++k, w += Plain::width) {
                ELMAN_UNROLL
                for (int c = 0; c < chains; ++c) {
                    if (c == n) break;
                    const Vec number = set(from[c][k]);
                    const float *line = w + c * a.piece * Plain::width;
                    ELMAN_UNROLL
                    for (int v = 0; v < 2; ++v) acc[c][v] = fma(number, load(line + v * W), acc[c][v]);
                }
            }
            w += (n - 1) * a.piece * Plain::width;
        }
        ELMAN_UNROLL
        for (int v = 0; v < 2; ++v) {
            const int64_t j = panel * 32 + at + v * W;
            const Vec sum = (acc[0][v] + acc[1][v]) + (acc[2][v] + acc[3][v]);
            store_some(y + j, (start ? load_some(start + j, columns - j) : set(0.0f)) + sum, columns - j);
        }
    }

    // A deep product is taken in parts that fit the caches; y keeps the sums between them, which changes no bit. After each
    // tile of the last part after(panel, panels, row, rows) is called, but not for a row that is alone.
    template <class After = Nothing>
    void operator()(int64_t count, int64_t of, int part, int parts, const After &after = {}) const {
        over(0, (columns + 31) / 32, count, of, part, parts, after);
    }

    // the same for the panels first ... last - 1 alone
    template <class After = Nothing>
    void over(int64_t first, int64_t last, int64_t count, int64_t of, int part, int parts, const After &after = {}) const {
        if (alone) {
            for (int64_t panel = first; panel < last && part == 0; ++panel)
                for (int64_t at = 0; at < 32 && panel * 32 + at < columns; at += 2 * W) one_row(panel, at);
            return;
        }
        if (count < 24 || depth <= deep) return each_tile<Plain::vectors>(first, last, count, of, part, parts, Then<Product, After>{*this, after});
        Product some = *this;
        const bool whole = a.pieces == 1;
        const int64_t all = whole ? a.piece : a.pieces, fit = whole ? deep : deep / a.piece;
        const int64_t most = a.group < fit ? fit / a.group * a.group : fit;
        for (int64_t done = 0; done < all; done += most) {
            int64_t &now = whole ? some.a.piece : some.a.pieces;
            now = std::min(most, all - done);
            if (done + most < all) each_tile<Plain::vectors>(first, last, count, of, part, parts, Then<Product, Nothing>{some, {}});
            else each_tile<Plain::vectors>(first, last, count, of, part, parts, Then<Product, After>{some, after});
            some.a.x += whole ? now : (now + now / a.group) * a.x_piece;
            some.ahead.arrays = 0, some.panels += now * (whole ? 1 : a.piece) * Plain::width, some.start = y, some.start_stride = y_stride;
        }
    }
    static constexpr int64_t deep = 1024;
};

// Gradients are summed over rows in blocks of this many, counted from the last step on; each block is one chain
// of fma, the blocks are added one after the other. So neither tile, nor chunk, nor thread enters the sum.
constexpr int64_t block = 256;

// A weight gradient while it is being summed over `all` rows: `sum` holds whole blocks, from the first on, `partial` the
// one that goes on in the next chunk of rows.
struct Summed {
    float *sum;      // (lines, columns), row-major
    float *partial;  // the same size
    int64_t columns, all;
};

constexpr int rows_ahead = 6;  // what the second cache is asked for while these rows are summed

// Rows of vectors, from `column` on; `rows_ahead` more stand in the list, which are not read.
struct Lines {
    const float *const *rows;
    int64_t column;
};

// acc[i][v] += d[m][i] x[m][v] for `rows` rows; d lies 16 floats apart
template <int MR, int NV>
ELMAN_INLINE void outer_rows(Vec (&acc)[MR][NV], const float *d, const float *const *x, int64_t column, int64_t rows) {
    for (int64_t m = 0; m < rows; ++m, d += 16) {
        Vec b[NV];
        const float *row = x[m] + column, *soon = x[m + rows_ahead] + column;
        ELMAN_UNROLL
        for (int v = 0; v < NV; ++v) b[v] = load(row + v * W), __builtin_prefetch(soon + v * W);
        __builtin_prefetch(d + rows_ahead * 16);
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            const Vec a = set(d[i]);
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v) acc[i][v] = fma(a, b[v], acc[i][v]);
        }
    }
}

// sum[line + i, column + j] += Σ_m d[m][i] x[m][j] for MR lines, of which `lines` are kept; the rows m are in the
// order of the sum, and `done` rows stand before them. The first block is not added but written: what was in `sum` is not
// read.
template <int MR, int NV>
ELMAN_INLINE void outer_tile(const float *d, const Lines &x, int64_t rows, int64_t done, const Summed &g, int64_t line,
                             int64_t lines, int64_t column) {
    Vec acc[MR][NV];
    const auto each = [&](auto &&f) {
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            if (i >= lines) break;
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v)
                f(acc[i][v], (line + i) * g.columns + column + v * W, g.columns - column - v * W);
        }
    };
    const auto give = [&](bool first) {
        if (lines >= MR && column + NV * W <= g.columns) {  // all of it: no masks, no questions
            float *row = g.sum + line * g.columns + column;
            ELMAN_UNROLL
            for (int i = 0; i < MR; ++i, row += g.columns) {
                ELMAN_UNROLL
                for (int v = 0; v < NV; ++v) store(row + v * W, first ? acc[i][v] : load(row + v * W) + acc[i][v]);
            }
        } else if (first) each([&](Vec &a, int64_t at, int64_t n) { store_some(g.sum + at, a, n); });
        else each([&](Vec &a, int64_t at, int64_t n) { store_some(g.sum + at, load_some(g.sum + at, n) + a, n); });
    };
    clear(acc);
    each([&](Vec &, int64_t at, int64_t) { __builtin_prefetch(g.sum + at, 1); });  // far away, and needed at the end
    if (done % block) each([&](Vec &a, int64_t at, int64_t n) { a = load_some(g.partial + at, n); });
    for (int64_t m = 0; m < rows;) {
        const int64_t room = block - (done + m) % block, count = room < rows - m ? room : rows - m;
        outer_rows<MR, NV>(acc, d + m * 16, x.rows + m, x.column, count);
        m += count;
        if ((done + m) % block == 0) give(done + m == block), clear(acc);
    }
    if ((done + rows) % block == 0) return;
    if (done + rows == g.all) give(g.all < block);
    else each([&](Vec &a, int64_t at, int64_t n) { store_some(g.partial + at, a, n); });
}

// One vector of columns alone needs more than four lines, so that their sums do not wait for each other.
#if defined(ELMAN_ISA_AVX512) || defined(ELMAN_ISA_NEON)
constexpr int outer_lines(int) { return 8; }
#else
constexpr int outer_lines(int vectors) { return vectors == 1 ? 8 : 4; }
#endif
constexpr int outer_vectors = 3;

// Columns strip by strip, each of up to three vectors; no strip of one vector follows one of three, as it alone waits for
// what it reads.
struct Strip {
    int64_t columns, column = 0, vectors;
    explicit Strip(int64_t columns_) : columns(columns_), vectors(fit()) {}
    void next() { column += vectors * W, vectors = fit(); }

  private:
    int64_t fit() const {
        const int64_t left = (columns - column + W - 1) / W;
        return left <= 0 ? 0 : left == 4 ? 2 : std::min<int64_t>(left, outer_vectors);
    }
};

// NV vectors of the rows' columns from `column` on, one row after the other; what is beyond is nought
template <int NV>
void pack_columns(const float *const *x, int64_t rows, int64_t column, int64_t columns, float *to) {
    for (int64_t m = 0; m < rows; ++m, to += NV * W)
        for (int v = 0; v < NV; ++v)
            store(to + v * W, load_some(x[m] + column + v * W, columns - column - v * W));
}

// NV vectors of the rows' columns as `outer_tile` reads them: where they stand, or, if whole vectors would go beyond the
// columns, packed in `room` and listed in `list`.
template <int NV>
Lines lines_of(const float *const *rows, int64_t count, int64_t column, int64_t columns, float *room, std::vector<const float *> &list) {
    if (column + NV * W <= columns) return {rows, column};
    pack_columns<NV>(rows, count, column, columns, room);
    list.assign(static_cast<size_t>(count + rows_ahead), room);
    for (int64_t m = 0; m < count; ++m) list[static_cast<size_t>(m)] = room + m * NV * W;
    return {list.data(), 0};
}

}  // namespace elman::ELMAN_ISA
