// The register tile: every product in elman is this one loop.
//
// Weights stand as panels [panel][k][width]; a tile holds the sums of MR rows and NV vectors of P panels in
// registers while k rises. The sums of one row and unit form one chain of fma, whatever the tile's shape is.
#pragma once

#include <algorithm>

#include "math.hpp"

namespace elman::ELMAN_ISA {

// Whether a step's gates are kept for backward, and if so, in the caches or past them.
enum class Keep { none, near, past };

ELMAN_INLINE void keep_gate(Keep keep, float *p, Vec gate) {
    if (keep == Keep::near) store(p, gate);
    else if (keep == Keep::past) store_past(p, gate);
}

using std::ptrdiff_t;
constexpr int W = Vec::lanes;

// as many rows as the registers hold beside the panel's own vectors
#if defined(ELMAN_ISA_AVX512) || defined(ELMAN_ISA_NEON)
constexpr int rows_of(int vectors) { return 24 / vectors; }
#elif defined(ELMAN_ISA_AVX2)
constexpr int rows_of(int vectors) { return 12 / vectors; }
#else
constexpr int rows_of(int) { return 2; }
#endif

// A tall tile has the time to have things brought from far away while its product runs.
constexpr bool is_tall(int vectors, int rows) { return 3 * rows >= 2 * rows_of(vectors); }

// The panels and rows that a tall tile meets at once. Of twelve rows and two vectors every other instruction would load
// something, which costs a tenth where another program runs on the same core; six rows and two panels load a third less.
struct Shape {
    int panels, rows;
};
template <int NV>
constexpr Shape shape_of(int64_t panels) {
    return rows_of(NV) == 12 && panels > 1 ? Shape{2, 6} : Shape{1, rows_of(NV)};
}

// A few rows wait for each fma; more panels at once fill the wait.
constexpr int panels_of(int vectors, int rows) {
    if (rows == 1) return vectors == 2 ? 4 : vectors == 3 ? 3 : 2;
    return 2 * rows <= rows_of(vectors) || (rows == 2 && vectors == 2) ? 2 : 1;
}
// so many rows at most that two panels' sums fit the registers
constexpr int few(int vectors) { return rows_of(vectors) / 2 > 2 ? rows_of(vectors) / 2 : 2; }

template <int P, int MR, int NV>
using Tile = Vec[P][MR][NV];

// A tall tile has its weights brought to the first cache, so many k ahead; those of a product of up to `near_k` come in time
// by themselves, and stay there from tile to tile.
constexpr int k_ahead = 12, near_k = 128;
// k that are written out in the loops of tall tiles. More would be slower: the instructions would not fit where the
// processor keeps them decoded.
constexpr int written_out = 4;

// What tall tiles have brought to the second cache while their product runs: up to a line at each k, from `line` on.
struct Soon {
    const float *line;
    ptrdiff_t step;  // up to 16; or 0: nothing new
};

// Which of its part's tiles of a panel a tile is.
struct Turn {
    int64_t tile = 0, of = 1;
};

// A tile of several has its share of the `size` floats brought that begin at `next`, an even one: lines that are asked for
// faster than they come keep the tile's own waiting.
inline Soon share_of_next(const float *panel, const float *next, ptrdiff_t size, Turn turn, int64_t K) {
    if (turn.of < 2 || !K) return {panel, 0};
    const ptrdiff_t step = std::min<ptrdiff_t>(16, (size + turn.of * K - 1) / (turn.of * K)), at = turn.tile * K * step;
    return at < size ? Soon{next + at, step} : Soon{panel, 0};
}

// acc[p][i][v] += x[i][k] * w[p][k][v], k = 0 ... K-1; VS floats lie between the vectors of one k. `bring`: weights ahead.
template <int VS, bool bring, int P, int MR, int NV>
ELMAN_INLINE void chain(Tile<P, MR, NV> &acc, const float *const (&x)[MR], const float *w, ptrdiff_t panel,
                        ptrdiff_t width, int64_t K, Soon soon = {nullptr, 0}) {
    constexpr int some = W == 16 && is_tall(P * NV, MR) ? 2 : 1;  // written out; few registers hold one
    int64_t k = 0;
    const auto at_k = [&](int j) ELMAN_IN_PLACE {
        Vec b[P][NV];
        const float *const at = w + j * width;
        ELMAN_UNROLL
        for (int p = 0; p < P; ++p) {
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v) b[p][v] = load(at + p * panel + v * VS);
        }
        if constexpr (is_tall(P * NV, MR)) {
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v)
                if constexpr (bring) __builtin_prefetch(at + k_ahead * width + v * VS);
            if constexpr (P * NV > 2) __builtin_prefetch(soon.line, 0, 2), soon.line += soon.step;  // else the pointers fill all registers
        }
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            const Vec a = set(x[i][k + j]);
            ELMAN_UNROLL
            for (int p = 0; p < P; ++p) {
                ELMAN_UNROLL
                for (int v = 0; v < NV; ++v) acc[p][i][v] = fma(a, b[p][v], acc[p][i][v]);
            }
        }
    };
    _Pragma("GCC unroll 1")
    for (; k + some <= K; k += some, w += some * width) {
        ELMAN_UNROLL
        for (int j = 0; j < some; ++j) at_k(j);
    }
    if (k < K) at_k(0);
}

// The same for one panel and many rows `stride` floats apart: their addresses need a third of the registers that as many
// pointers would fill, and leave room for what is to be brought.
template <int VS, bool bring, int MR, int NV>
ELMAN_INLINE void chain_of_rows(Tile<1, MR, NV> &acc, const float *x, ptrdiff_t stride, const float *w, ptrdiff_t width, int64_t K,
                                Soon soon) {
    constexpr int thirds = (MR + 2) / 3, some = written_out;
    const float *from[thirds];
    ELMAN_UNROLL
    for (int j = 0; j < thirds; ++j) from[j] = x + 3 * j * stride;
    const auto at_k = [&](int k) ELMAN_IN_PLACE {
        Vec b[NV];
        ELMAN_UNROLL
        for (int v = 0; v < NV; ++v) {
            b[v] = load(w + k * width + v * VS);
            if constexpr (bring) __builtin_prefetch(w + (k + k_ahead) * width + v * VS);
        }
        __builtin_prefetch(soon.line + k * soon.step, 0, 2);
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            const Vec a = set(from[i / 3][i % 3 * stride + k]);
            ELMAN_UNROLL
            for (int v = 0; v < NV; ++v) acc[0][i][v] = fma(a, b[v], acc[0][i][v]);
        }
    };
    const auto move = [&](int n) ELMAN_IN_PLACE {
        w += n * width, soon.line += n * soon.step;
        ELMAN_UNROLL
        for (int j = 0; j < thirds; ++j) from[j] += n;
    };
    int64_t k = 0;
    _Pragma("GCC unroll 1")
    for (; k + some <= K; k += some) {
        asm("" : "+r"(stride));  // else the compiler keeps a pointer for each row
        ELMAN_UNROLL
        for (int j = 0; j < some; ++j) at_k(j);
        move(some);
    }
    _Pragma("GCC unroll 1")
    for (; k < K; ++k) at_k(0), move(1);
}

// The same for rows of lines: 16 k of each row stand in one line, and a tile's lines side by side. Meanwhile their next
// lines are brought, from `next` on, and two lines every four k from `far`.
constexpr int in_line = 16;
template <int VS, int P, int MR, int NV>
ELMAN_INLINE void chain_of_lines(Tile<P, MR, NV> &acc, const float *x, const float *next, const float *w, ptrdiff_t panel,
                                 ptrdiff_t width, Soon soon, Soon far) {
    constexpr int some = written_out, rows_ahead = P == 1 ? some : (MR + 3) / 4;
    _Pragma("GCC unroll 1")
    for (int at = 0; at < in_line; at += some, x += some, w += some * width, next += rows_ahead * in_line, soon.line += some * soon.step) {
        __builtin_prefetch(far.line, 0, 2), __builtin_prefetch(far.line + far.step, 0, 2);
        far.line += 2 * far.step;
        ELMAN_UNROLL
        for (int k = 0; k < some; ++k) {
            Vec b[P][NV];
            ELMAN_UNROLL
            for (int v = 0; v < P * NV; ++v) {
                b[v / NV][v % NV] = load(w + v / NV * panel + k * width + v % NV * VS);
                if constexpr (P == 1) __builtin_prefetch(w + (k + k_ahead) * width + v * VS);
            }
            __builtin_prefetch(soon.line + k * soon.step, 0, 2);
            if (k < rows_ahead) __builtin_prefetch(next + k * in_line);
            ELMAN_UNROLL
            for (int i = 0; i < MR; ++i) {
                const Vec a = set(x[i * in_line + k]);
                ELMAN_UNROLL
                for (int v = 0; v < P * NV; ++v) acc[v / NV][i][v % NV] = fma(a, b[v / NV][v % NV], acc[v / NV][i][v % NV]);
            }
        }
    }
}

// One of the first two, for rows that lie `stride` floats apart.
template <int VS, int P, int MR, int NV>
ELMAN_INLINE void chain_of_tile(Tile<P, MR, NV> &acc, const float *const (&x)[MR], ptrdiff_t stride, const float *w, ptrdiff_t panel,
                                ptrdiff_t width, int64_t K, Soon soon) {
    const auto by = [&](auto bring) ELMAN_IN_PLACE {
        if constexpr (P == 1 && NV == 2 && MR > 6) chain_of_rows<VS, bring>(acc, x[0], stride, w, width, K, soon);
        else chain<VS, bring>(acc, x, w, panel, width, K, soon);
    };
    if (is_tall(P * NV, MR) && K <= near_k) by(std::false_type());
    else by(std::true_type());
}

// What a tile will write comes from far away if it is fresh: it is brought while the product runs. One or two rows have no
// time for it.
template <int MR, int floats>
ELMAN_INLINE void ask_to_write(float *row, ptrdiff_t stride) {
    if constexpr (MR > 2) {
        ELMAN_UNROLL
        for (int i = 0; i < MR; ++i) {
            ELMAN_UNROLL
            for (int line = 0; line < floats; line += 16) __builtin_prefetch(row + i * stride + line, 1);
        }
    }
}

// n may be anything: above the lanes all are meant, from 0 down none
ELMAN_INLINE Vec load_some(const float *p, int64_t n) {
    return n >= W ? load(p) : n > 0 ? load_n(p, static_cast<int>(n)) : set(0.0f);
}
ELMAN_INLINE void store_some(float *p, Vec a, int64_t n) {
    if (n >= W) store(p, a);
    else if (n > 0) store_n(p, a, static_cast<int>(n));
}

// Calls tile.run<P, rows> with the number of rows as a constant, for 1 <= rows <= MR.
template <int P, int MR, class T>
ELMAN_INLINE void run_rows(const T &tile, int64_t rows, int64_t panel, int64_t row) {
    if constexpr (MR == 1) tile.template run<P, 1>(panel, row);
    else if (rows == MR) tile.template run<P, MR>(panel, row);
    else run_rows<P, MR - 1>(tile, rows, panel, row);
}

// How `rows` rows of a run are shared: in tiles of at most `most` rows that differ by one at most, tile i to part
// i % parts. A step with fewer rows has fewer tiles, so that ragged steps are shared evenly, and a row keeps its part.
struct Shares {
    int64_t tiles, base, longer;  // the first `longer` tiles have base + 1 rows

    Shares(int64_t rows, int64_t most, int parts)
        : tiles(rows <= 2 ? 1 : ((rows + most - 1) / most + parts - 1) / parts * parts), base(rows / tiles), longer(rows % tiles) {}
    int64_t first(int64_t tile) const { return tile * base + (tile < longer ? tile : longer); }
};

// A few rows: P panels at once, then what is left.
template <int P, int MR, class T>
ELMAN_INLINE void each_panel(int64_t panel, int64_t panels, int64_t row, const T &tile) {
    for (; panel + P <= panels; panel += P) tile.template run<P, MR>(panel, row);
    if constexpr (P > 1) each_panel<P - 1, MR>(panel, panels, row, tile);
}
template <int NV, int MR = few(NV), class T>
ELMAN_INLINE void few_rows(int64_t panel, int64_t panels, int64_t row, int64_t rows, const T &tile) {
    if constexpr (MR > 1)
        if (rows < MR) return few_rows<NV, MR - 1>(panel, panels, row, rows, tile);
    each_panel<panels_of(NV, MR), MR>(panel, panels, row, tile);
}

// tile.run<P, MR>(panel, row) for the panels from `first` on and every tile of rows that this part takes of a step with
// `rows` of the run's `of` rows. Panels outside, rows inside, so that a panel is read once from the far cache and then
// by every tile.
template <int NV, class T>
void each_tile(int64_t first, int64_t panels, int64_t rows, int64_t of, int part, int parts, const T &tile) {
    if (of <= 2) return part == 0 && rows > 0 ? few_rows<NV>(first, panels, 0, rows, tile) : void();  // no shares to work out
    const Shape shape = shape_of<NV>(panels - first);
    const Shares shares(of, shape.rows, parts);
    const int64_t mine = shares.first(part);
    if (part >= shares.tiles || mine >= rows) return;
    const int64_t end = shares.first(part + 1) < rows ? shares.first(part + 1) : rows;
    if (end - mine <= few(NV) && (part + parts >= shares.tiles || shares.first(part + parts) >= rows))
        return few_rows<NV>(first, panels, mine, end - mine, tile);
    T now = tile;
    for (int64_t panel = first; panel < panels; panel += shape.panels) {
        now.turn = {0, shares.tiles / parts};
        for (int64_t i = part; i < shares.tiles; i += parts, ++now.turn.tile) {
            const int64_t row = shares.first(i), next = shares.first(i + 1);
            if (row >= rows) break;
            const int64_t n = (next < rows ? next : rows) - row;
            if constexpr (rows_of(NV) == 12)
                if (shape.panels == 2 && panel + 2 <= panels) {
                    run_rows<2, 6>(now, n, panel, row);
                    continue;
                }
            run_rows<1, rows_of(NV)>(now, n, panel, row);
        }
    }
}
template <int NV, class T>
void each_tile(int64_t panels, int64_t rows, int64_t of, int part, int parts, const T &tile) {
    each_tile<NV>(0, panels, rows, of, part, parts, tile);
}

}  // namespace elman::ELMAN_ISA
