// A layer in one direction over time, forward and backward, for any cell.
//
// Input products are taken ahead, a chunk of steps at a time, so that they are as wide as a matrix product can
// be and still lie in the cache when their step comes. Only the product with the state stays inside the loop.
#pragma once

#include <algorithm>

#include "few.hpp"
#include "gru.hpp"
#include "halves.hpp"
#include "kernels.hpp"
#include "lstm.hpp"
#include "product.hpp"
#include "rnn.hpp"

namespace elman::ELMAN_ISA {

template <class C>
int64_t panels_of_units(int64_t H) {
    return (H + C::units - 1) / C::units;
}

// The lanes of a panel that are ever read: all, but in a layer that has not even one slot of units.
template <class C>
int64_t lanes_of(int64_t H) {
    return H < 16 ? H : C::units;
}

// Steps [from, to) in the order of the run, about `rows` packed rows, at least one step.
struct Chunk {
    int64_t from, to, low, high;  // packed rows low ... high - 1
    int64_t widest;               // rows of its widest step
};
inline Chunk chunk_of(const Rows &rows, int64_t from, int64_t to) {
    const int64_t a = rows.time(from), b = rows.time(to - 1);
    int64_t widest = 0;
    for (int64_t s = from; s < to; ++s) widest = std::max(widest, rows.count[rows.time(s)]);
    return {from, to, rows.offset[std::min(a, b)], rows.offset[std::max(a, b)] + rows.count[std::max(a, b)], widest};
}
inline Chunk chunk_after(const Rows &rows, int64_t from, int64_t wanted) {
    int64_t to = from, sum = 0;
    do sum += rows.count[rows.time(to++)];
    while (to < rows.steps() && sum + rows.count[rows.time(to)] <= wanted);
    return chunk_of(rows, from, to);
}
inline Chunk chunk_before(const Rows &rows, int64_t to, int64_t wanted) {
    int64_t from = to, sum = 0;
    do sum += rows.count[rows.time(--from)];
    while (from > 0 && sum + rows.count[rows.time(from - 1)] <= wanted);
    return chunk_of(rows, from, to);
}
inline int64_t rows_in_cache(int64_t floats_a_row) {
    return std::max<int64_t>(24, half_of_cache() / (8 * floats_a_row) / 24 * 24);
}
// Input weights beyond the second cache come from far away once a chunk: more rows share the journey.
inline int64_t rows_ahead_of(int64_t floats_a_row, int64_t weights) {
    const bool far = weights * static_cast<int64_t>(sizeof(float)) > 2 * half_of_cache();
    return far ? std::max<int64_t>(256, rows_in_cache(floats_a_row)) : rows_in_cache(floats_a_row);
}

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

inline void copy_rows(float *to, ptrdiff_t to_stride, const float *from, ptrdiff_t from_stride, int64_t n,
                      int64_t rows) {
    for (int64_t i = 0; i < rows; ++i) std::memcpy(to + i * to_stride, from + i * from_stride, n * sizeof(float));
}

// The state before a step, where some rows start afresh; null where none does.
inline bool any_reset(const uint8_t *reset, int64_t offset, int64_t count) {
    return reset && std::memchr(reset + offset, 1, static_cast<size_t>(count));
}

// a row's final state stands where it ends; a row without a step keeps its first
template <class C>
void final_state(const Forward &f, const float *running) {
    const Rows &rows = *f.rows;
    const int64_t H = f.weights->H, Hp = padded(H), B = rows.B;
    constexpr bool has_c = C::kind == Cell::lstm;
    const bool keep = f.gates != nullptr;
    const int64_t alive = rows.steps() ? rows.count[rows.time(0)] : 0;
    if (f.hn != f.h0) copy_rows(f.hn + alive * H, H, f.h0 + alive * H, H, H, B - alive);
    for (int64_t s = 0; s < rows.steps(); ++s) {
        const int64_t t = rows.time(s), count = rows.count[t];
        const int64_t stay = s + 1 < rows.steps() ? rows.count[rows.time(s + 1)] : 0;
        for (int64_t i = stay; i < count; ++i) {
            std::memcpy(f.hn + i * H, f.out + (rows.offset[t] + i) * H, H * sizeof(float));
            if (has_c && keep) std::memcpy(f.cn + i * H, f.cells + (rows.offset[t] + i) * Hp, H * sizeof(float));
        }
    }
    if (!has_c) return;
    if (!keep) copy_rows(f.cn, H, running, Hp, H, B);
    else copy_rows(f.cn + alive * H, H, f.c0 + alive * H, H, H, B - alive);
}

constexpr int64_t worth_sharing = 48;  // rows of one step that are worth a second thread

// Weights too large for one processor's cache are read once by all parts together, not once by each: parts share units,
// and meet after every step. More rows than this keep a processor busy for as long as their weights take. Rows too few to
// be shared out share units as soon as a step takes longer than a few meetings.
constexpr int64_t rows_by_units = 64, lone_rows = 3, bytes_of_a_long_step = 192 << 10;
inline bool worth_units(int64_t rows, int64_t floats) {
    const int64_t bytes = floats * static_cast<int64_t>(sizeof(float));
    return (rows <= rows_by_units && bytes > half_of_cache() * 3 / 2) || (rows <= lone_rows && bytes >= bytes_of_a_long_step);
}

// Whether parts go through all steps on their own, each with rows of its own: what one has written no other reads, so
// nothing crosses from cache to cache and nobody waits. Too few rows each, or weights from far away, and a chunk's
// input products are better taken together.
inline bool worth_own_rows(const Halves &halves, int64_t floats) {
    const int64_t bytes = floats * static_cast<int64_t>(sizeof(float));
    return bytes <= half_of_cache() && halves.fewest() >= (bytes <= half_of_cache() / 8 ? 4 : 8);
}

// How many groups of rows to go through all steps one after the other: as many for each thread, and so many that what a
// group's step reads and writes stays in half of the cache beside the weights.
inline int groups_of_rows(int64_t rows, int64_t floats_a_row, int threads) {
    const int64_t most = std::max<int64_t>(24, half_of_cache() / 2 / (4 * floats_a_row));
    const int64_t wanted = 2 * rows >= 3 * most ? (rows + most - 1) / most : 1;
    return static_cast<int>((wanted + threads - 1) / threads * threads);
}

constexpr int64_t worth_a_look = 8;  // rows whose product takes much longer than to look whether their weights are finite

inline bool all_finite(const Floats &numbers) {  // in whole vectors: what is padded is nought
    Vec sum = set(0.0f);
    for (size_t k = 0; k < numbers.size(); k += W) sum = fma(load(numbers.data() + k), set(0.0f), sum);
    float lanes[W];
    store(lanes, sum);
    return std::all_of(lanes, lanes + W, [](float lane) { return lane == 0.0f; });
}

// Forward over time, chunk by chunk: the input products of some steps at once, then the steps one after the other.
template <class C>
class Run {
  public:
    Run(const Forward &f, const C &cell)
        : f_(f), w_(*f.weights), rows_(*f.rows), cell_(cell), H_(w_.H), Hp_(padded(w_.H)), panels_(panels_of_units<C>(w_.H)),
          row_size_(panels_ * C::saved), keep_(f.gates != nullptr), mixes_(f.reset || f.parent),
          wanted_(f.table_rows ? rows_.M : rows_ahead_of(row_size_, w_.D * row_size_)),
          widest_(rows_.steps() ? *std::max_element(rows_.count.begin(), rows_.count.end()) : 0),
          by_units_(!mixes_ && worth_units(widest_, panels_ * H_ * C::width)),
          groups_(mixes_ || by_units_ ? 1 : groups_of_rows(widest_, row_size_ + 2 * H_ + w_.D, f.threads)),
          halves_(rows_, groups_),
          own_rows_(groups_ > 1 && worth_own_rows(halves_, w_.D * row_size_)),
          from_nought_(f.from_nought && widest_ >= worth_a_look && all_finite(w_.w_hh)),
          projected_(floats(f.table_rows * row_size_)),
          ahead_(floats(keep_ || f.table_rows || own_rows_ ? 0 : most_rows() * row_size_)),
          running_(floats(has_c ? std::max(rows_.B, widest_) * Hp_ : 0)),
          first_c_(floats(has_c && (keep_ || f.reset) ? rows_.B * Hp_ : 0)), mixed_h_(floats(mixes_ ? widest_ * H_ : 0)),
          mixed_c_(floats(mixes_ && has_c ? widest_ * Hp_ : 0)) {}

    void operator()() const {
        begin();
        if (own_rows_)
            parallel(f_.threads, [&](int part, int parts) {
                for (int i = part; i < groups_; i += parts) through_own_rows(halves_.at(i), halves_.at(i + 1));
            });
        for (int64_t s = own_rows_ ? rows_.steps() : 0; s < rows_.steps();) {
            const Chunk chunk = chunk_after(rows_, s, wanted_);
            float *sums = keep_ ? f_.gates + chunk.low * row_size_ : ahead_.data();
            if (!f_.table_rows)
                parallel(threads_ahead(chunk), [&](int part, int parts) { project<C>(f_, chunk.low, chunk.high, sums, part, parts); });
            if (mixes_) one_by_one(chunk, sums);
            else if (by_units_) units_apart(chunk, sums);
            else rows_apart(chunk, sums);
            s = chunk.to;
        }
        if (!f_.parent) final_state<C>(f_, running_.data());
    }

  private:
    static constexpr bool has_c = C::kind == Cell::lstm;
    static Floats floats(int64_t n) { return Floats(static_cast<size_t>(n)); }

    // a short chunk's input products are sooner there from one thread, whose cache the steps find them in
    int threads_ahead(const Chunk &chunk) const {
        constexpr int64_t worth_two_threads = 2 << 20;  // multiply-adds
        return (chunk.high - chunk.low) * (f_.ids ? 1 : w_.D) * row_size_ < worth_two_threads ? 1 : f_.threads;
    }

    int64_t most_rows() const {  // of a chunk
        int64_t most = 0;
        for (int64_t s = 0; s < rows_.steps();) {
            const Chunk chunk = chunk_after(rows_, s, wanted_);
            most = std::max(most, chunk.high - chunk.low), s = chunk.to;
        }
        return most;
    }

    void begin() const {
        if (f_.table_rows)
            parallel(f_.threads, [&](int part, int parts) {
                each_tile<C::vectors>(panels_, f_.table_rows, f_.table_rows, part, parts, Project<C>{w_, f_.x, projected_.data()});
            });
        if constexpr (has_c)
            for (const Floats *c : {&running_, &first_c_})
                if (c->size()) std::memset(c->data(), 0, c->size() * sizeof(float)), copy_rows(c->data(), Hp_, f_.c0, H_, H_, rows_.B);
    }

    int64_t offset(int64_t s) const { return rows_.offset[rows_.time(s)]; }
    int64_t count(int64_t s) const { return rows_.count[rows_.time(s)]; }

    // the step of `n` rows from `first` on, whose input products begin at `sums` unless they come from a table
    Step<C> step_of(int64_t s, int64_t first, int64_t n, float *sums) const {
        const int64_t at = offset(s) + first, before = (s ? offset(s - 1) : 0) + first;
        float *running = has_c ? running_.data() + first * Hp_ : nullptr;
        Step<C> step{cell_, w_, keep_, (s ? f_.out : f_.h0) + before * H_, sums, nullptr, n, running, running, f_.out + at * H_};
        if (f_.table_rows) step.sums = projected_.data(), step.ids = f_.ids + at;
        step.from_nought = s == 0 && from_nought_;
        if (has_c && keep_) {
            step.c = (s ? f_.cells : first_c_.data()) + before * Hp_;
            step.c_next = f_.cells + at * Hp_;
        }
        return step;
    }

    // all steps of the rows [first, last), some steps ahead at a time
    void through_own_rows(int64_t first, int64_t last) const {
        const auto mine = [&](int64_t s) { return std::clamp<int64_t>(count(s) - first, 0, last - first); };
        const int64_t most = std::max(std::min(wanted_, rows_.M), last - first);
        const Floats ahead(floats(keep_ || f_.table_rows ? 0 : most * row_size_));
        const auto sums_of = [&](int64_t s, int64_t done) -> float * {
            return f_.table_rows ? nullptr : keep_ ? f_.gates + (offset(s) + first) * row_size_ : ahead.data() + done * row_size_;
        };
        for (int64_t s = 0, next = 0; s < rows_.steps() && mine(s); s = next) {
            for (int64_t done = 0; next < rows_.steps() && done + mine(next) <= most; done += mine(next++))
                if (!f_.table_rows) project<C>(f_, offset(next) + first, offset(next) + first + mine(next), sums_of(next, done), 0, 1);
            for (int64_t now = s, done = 0; now < next; done += mine(now++))
                each_tile<C::vectors>(panels_, mine(now), last - first, 0, 1, step_of(now, first, mine(now), sums_of(now, done)));
        }
    }

    Step<C> step_at(int64_t s, const Chunk &chunk, float *sums) const {
        return step_of(s, 0, count(s), sums + (offset(s) - chunk.low) * row_size_);
    }

    // rows that go on from their own place never meet: each part runs its own through all steps of the chunk
    void rows_apart(const Chunk &chunk, float *sums) const {
        parallel(chunk.widest <= 2 ? 1 : f_.threads, [&](int part, int parts) {
            for (int64_t s = chunk.from; s < chunk.to; ++s)
                each_tile<C::vectors>(panels_, count(s), chunk.widest, part, parts, step_at(s, chunk, sums));
        });
    }

    // few rows and many units: each part has units of its own, and all meet after every step
    void units_apart(const Chunk &chunk, float *sums) const {
        Meeting meeting;
        parallel(f_.threads, [&](int part, int parts) {
            for (int64_t s = chunk.from; s < chunk.to; ++s) {
                const int64_t n = count(s);
                each_tile<C::vectors>(panels_ * part / parts, panels_ * (part + 1) / parts, n, n, 0, 1, step_at(s, chunk, sums));
                meeting.wait(parts);
            }
        });
    }

    // rows that go on from another's place, or anew: step by step
    void one_by_one(const Chunk &chunk, float *sums) const {
        for (int64_t s = chunk.from; s < chunk.to; ++s) {
            const int64_t n = count(s);
            const int threads = n < worth_sharing ? 1 : f_.threads;
            Step<C> step = step_at(s, chunk, sums);
            if ((f_.parent && s) || any_reset(f_.reset, offset(s), n)) mix(step, s, threads);
            parallel(threads, [&](int part, int parts) { each_tile<C::vectors>(panels_, n, n, part, parts, step); });
        }
    }

    // gathers what each row goes on from
    void mix(Step<C> &step, int64_t s, int threads) const {
        const int64_t at = offset(s), n = count(s), before = f_.parent ? rows_.offset[s - 1] : 0;
        parallel(threads, [&](int part, int parts) {
            for (int64_t i = n * part / parts; i < n * (part + 1) / parts; ++i) {
                const bool fresh = f_.reset && f_.reset[at + i];
                const int64_t from = f_.parent ? f_.parent[at + i] - before : i;
                std::memcpy(mixed_h_.data() + i * H_, (fresh ? f_.h0 : step.h) + from * H_, H_ * sizeof(float));
                if (has_c) std::memcpy(mixed_c_.data() + i * Hp_, (fresh ? first_c_.data() : step.c) + from * Hp_, Hp_ * sizeof(float));
            }
        });
        step.h = mixed_h_.data();
        if (has_c) step.c = mixed_c_.data();
    }

    const Forward &f_;
    const Packed &w_;
    const Rows &rows_;
    const C &cell_;
    const int64_t H_, Hp_, panels_, row_size_;
    const bool keep_, mixes_;  // whether backward follows; whether rows go on from other places than their own
    const int64_t wanted_, widest_;
    const bool by_units_;
    const int groups_;  // of rows
    const Halves halves_;
    const bool own_rows_;  // whether each group of rows goes through all steps on its own
    const bool from_nought_;  // whether the first step's product with the state is left out
    const Floats projected_, ahead_, running_, first_c_, mixed_h_, mixed_c_;
};

template <class C>
void forward(const Forward &f, const C &cell) {
    if constexpr (C::kind == Cell::rnn && W > 1)
        if (has_few_units(f)) {
            few_units<C::units / W>(f, cell);
            return final_state<C>(f, nullptr);
        }
    Run<C>(f, cell)();
}

constexpr int64_t worth_packing_together = 1 << 16;  // floats

// How d_a's numbers are met by a product: slots of one gate's units, 16 of them but where H is less.
template <class C>
struct Slots {
    static constexpr int64_t side = C::kind == Cell::gru ? 3 : C::gates;  // gates on the side of x, or of h
    explicit Slots(int64_t H) : units(std::min<int64_t>(H, 16)), count((H + 15) / 16 * side) {}
    int64_t units, count;
};

// [panel of 32 columns][slot][unit][32]: W as d_a meets it, gates of `slots` in this order
template <class C>
Floats pack_transposed(const float *w, int64_t H, int64_t columns, std::initializer_list<int> gates, int threads) {
    const Slots<C> slots(H);
    const int64_t count = (columns + 31) / 32, lines = slots.count * slots.units;
    Floats out(static_cast<size_t>(count * lines * 32));
    const auto pack_panel = [&](int64_t panel) {
        const int64_t n = std::min<int64_t>(32, columns - panel * 32);
        float *to = out.data() + panel * lines * 32;
        for (int64_t first = 0; first < H; first += 16)
            for (const int gate : gates)
                for (int64_t unit = first; unit < first + slots.units; ++unit, to += 32) {
                    const float *from = w + (gate * H + unit) * columns + panel * 32;
                    for (int v = 0; v < 32; v += W) store(to + v, unit < H ? load_some(from + v, n - v) : set(0.0f));
                }
    };
    parallel(count * lines * 32 < worth_packing_together ? 1 : threads, [&](int part, int parts) {
        for (int64_t panel = part; panel < count; panel += parts) pack_panel(panel);
    });
    return out;
}

template <class C>
class Back {
  public:
    Back(const Backward &b, const C &cell)
        : b_(b), cell_(cell), w_(*b.weights), rows_(*b.rows), H_(w_.H), Hp_(padded(H_)),
          panels_(panels_of_units<C>(H_)), row_size_(panels_ * C::saved), wanted_(std::max(block, rows_in_cache(row_size_))),
          groups_(b.reset || !rows_.steps() ? 1 : groups_of_rows(rows_.B, 2 * row_size_ + 3 * H_ + w_.D, b.threads)),
          halves_(rows_, groups_),
          own_rows_(groups_ > 1 && worth_own_rows(halves_, std::max(w_.D, H_) * row_size_)),
          from_nought_(b.from_nought && !b.reset && rows_.steps() ? rows_.count[rows_.time(0)] : 0) {}

    void run() {
        begin();
        for (int64_t to = rows_.steps(); to > 0;) {
            const Chunk chunk = chunk_before(rows_, to, wanted_);
            list_rows(chunk);
            if (own_rows_) rows_apart(chunk);
            else rows_together(chunk);
            done_ += chunk.high - chunk.low;
            to = chunk.from;
        }
        end();
    }

  private:
    static constexpr bool has_c = C::kind == Cell::lstm, is_gru = C::kind == Cell::gru;

    static Floats noughts(int64_t size) {
        Floats f(static_cast<size_t>(size));
        std::fill_n(f.data(), size, 0.0f);
        return f;
    }

    void begin() {
        const int64_t B = rows_.B, lines = C::gates * H_, D = w_.D;
        r_h_ = noughts(B * Hp_);
        if (b_.d_hn) copy_rows(r_h_.data(), Hp_, b_.d_hn, H_, H_, B);
        if (has_c) {
            r_c_ = noughts(B * Hp_);
            if (b_.d_cn) copy_rows(r_c_.data(), Hp_, b_.d_cn, H_, H_, B);
            first_c_ = noughts(B * Hp_);
            tanh_c_ = Floats(static_cast<size_t>(B * Hp_));
            copy_rows(first_c_.data(), Hp_, b_.c0, H_, H_, B);
        }
        std::fill_n(b_.d_h0, B * H_, 0.0f);
        if (has_c) std::fill_n(b_.d_c0, B * H_, 0.0f);
        if (b_.d_w_ih && !rows_.M) std::fill_n(b_.d_w_ih, lines * D, 0.0f);
        if (b_.d_w_hh && rows_.M == from_nought_) std::fill_n(b_.d_w_hh, lines * H_, 0.0f);
        const bool chunks = rows_.M > wanted_;
        partial_ih_ = Floats(static_cast<size_t>(chunks && !b_.ids && b_.d_w_ih ? lines * D : 0));
        partial_hh_ = Floats(static_cast<size_t>(chunks && b_.d_w_hh ? lines * H_ : 0));
        bias_ = noughts(row_size_);
        bias_partial_ = noughts(row_size_);
        if constexpr (is_gru) {
            back_h_ = pack_transposed<C>(w_.w_hh, H_, H_, {0, 1, 2}, b_.threads);
            if (b_.d_x) back_x_ = pack_transposed<C>(w_.w_ih, H_, D, {2, 0, 1}, b_.threads);
        } else if constexpr (has_c) {
            back_h_ = pack_transposed<C>(w_.w_hh, H_, H_, {0, 1, 2, 3}, b_.threads);
            if (b_.d_x) back_x_ = pack_transposed<C>(w_.w_ih, H_, D, {0, 1, 2, 3}, b_.threads);
        } else {
            back_h_ = pack_transposed<C>(w_.w_hh, H_, H_, {0}, b_.threads);
            if (b_.d_x) back_x_ = pack_transposed<C>(w_.w_ih, H_, D, {0}, b_.threads);
        }
        if (b_.ids) by_symbol_ = noughts(D * row_size_);
    }

    void rows_apart(const Chunk &chunk) {
        Meeting meeting;
        parallel(b_.threads, [&](int part, int parts) {
            for (int i = part; i < groups_; i += parts) steps_of_own_rows(chunk, halves_.at(i), halves_.at(i + 1));
            meeting.wait(parts);
            weight_gradients(chunk, part, parts);
        });
    }

    void rows_together(const Chunk &chunk) {
        const int64_t rows = chunk.high - chunk.low;
        Meeting meeting;
        if (b_.reset) steps(chunk, 0, 1);
        else if (worth_units(chunk.widest, H_ * row_size_))
            parallel(b_.threads, [&](int part, int parts) { steps_by_units(chunk, part, parts, meeting); });
        else parallel(b_.threads, [&](int part, int parts) { steps(chunk, part, parts); });
        parallel(b_.threads, [&](int part, int parts) {
            if (b_.d_x) back_to_x(chunk, 0)(rows, rows, part, parts);
            weight_gradients(chunk, part, parts);
        });
    }

    // Where d_a of a chunk's row m stands: line by line of 16 units, [line][m][16], rows from the last step to the first.
    float *d_a_of(int64_t m) const { return d_a_.data() + m * 16; }

    // the rows [first, last) of a step through their gates, some of the units; row 0 of the step is the chunk's row m
    void through_gates_of(int64_t s, int64_t m, int64_t first, int64_t last, int64_t first_panel, int64_t last_panel) {
        const int64_t t = rows_.time(s);
        tanh_of_cells(t, first, last, first_panel, last_panel);
        for (int64_t i = first; i < last; ++i) through_gates(s, t, i, d_a_of(m + i), first_panel, last_panel);
    }

    // one part's rows through the steps of a chunk, from the last to the first
    void steps(const Chunk &chunk, int part, int parts) {
        for (int64_t s = chunk.to - 1, m = 0, count; s >= chunk.from; --s, m += count) {
            const int64_t at = rows_.offset[rows_.time(s)];
            count = rows_.count[rows_.time(s)];
            const Shares shares(chunk.widest, rows_of(Plain::vectors), parts);  // the rows of the product that follows
            for (int64_t tile = part; tile < shares.tiles; tile += parts)
                through_gates_of(s, m, shares.first(tile), std::min(count, shares.first(tile + 1)), 0, panels_);
            if (s || b_.first_wanted) past_weights(m)(count, chunk.widest, part, parts);
            if (any_reset(b_.reset, at, count)) give_to_first(at, count);
        }
    }

    // the same, all rows and some of the units
    void steps_by_units(const Chunk &chunk, int part, int parts, Meeting &meeting) {
        const int64_t columns = (H_ + 31) / 32;
        for (int64_t s = chunk.to - 1, m = 0, count; s >= chunk.from; --s, m += count) {
            count = rows_.count[rows_.time(s)];
            through_gates_of(s, m, 0, count, panels_ * part / parts, panels_ * (part + 1) / parts);
            meeting.wait(parts);
            if (s || b_.first_wanted) past_weights(m).over(columns * part / parts, columns * (part + 1) / parts, count, count, 0, 1);
            meeting.wait(parts);
        }
    }

    // the rows [first, last) through the steps of a chunk, from the last to the first: all that is theirs alone
    void steps_of_own_rows(const Chunk &chunk, int64_t first, int64_t last) {
        for (int64_t s = chunk.to - 1, m = first; s >= chunk.from; --s) {
            const int64_t count = rows_.count[rows_.time(s)], n = std::min(count, last) - first;
            if (n > 0) {
                through_gates_of(s, m - first, first, first + n, 0, panels_);
                Product back = past_weights(m);
                back.start = back.y += first * Hp_;
                if (s || b_.first_wanted) back(n, last - first, 0, 1);
                if (b_.d_x) back_to_x(chunk, m)(n, n, 0, 1);
            }
            m += count;
        }
    }

    // d_a of the chunk's rows from m on as a product meets it; the side of h has its own n, the last of GRU's four lines
    Operand read(int64_t m, bool side_of_h) const {
        const Slots<C> slots(H_);
        if (is_gru) return {d_a_of(m) + (side_of_h ? line_ : 0), 16, slots.count, slots.units, line_, 3};
        return {d_a_of(m), 16, slots.count, slots.units, line_};
    }

    // in the forward pass a = W_ih x + ..., so d_x = d_a W_ih: from the chunk's row m on
    Product back_to_x(const Chunk &chunk, int64_t m) const {
        return {read(m, false), back_x_.data(), w_.D, nullptr, 0, b_.d_x + chunk.low * w_.D, w_.D, places_.data() + m};
    }

    // in the forward pass a = ... + W_hh h, so r_h = (what went past the gates) + d_a W_hh
    Product past_weights(int64_t m) const {
        Product back{read(m, true), back_h_.data(), H_, r_h_.data(), Hp_, r_h_.data(), Hp_};
        back.alone = rows_.B == 1;
        return back;
    }

    const float *h_before(int64_t s, int64_t row) const {
        const int64_t at = rows_.offset[rows_.time(s)] + row;
        if (s == 0 || (b_.reset && b_.reset[at])) return b_.h0 + row * H_;
        return b_.out + (rows_.offset[rows_.time(s - 1)] + row) * H_;
    }

    void through_gates(int64_t s, int64_t t, int64_t row, float *d_a, int64_t first_panel, int64_t last_panel) {
        const int64_t at = rows_.offset[t] + row;
        const float *d_out = b_.d_out ? b_.d_out + at * H_ : nullptr;
        float *r_h = r_h_.data() + row * Hp_;
        const float *gates = b_.gates ? b_.gates + at * row_size_ : nullptr;
        const float *h = h_before(s, row);
        const float *c_before = nullptr;
        if constexpr (has_c) {
            const bool first = s == 0 || (b_.reset && b_.reset[at]);
            c_before = first ? first_c_.data() + row * Hp_
                             : b_.cells + (rows_.offset[rows_.time(s - 1)] + row) * Hp_;
        }
        for (int64_t panel = first_panel; panel < last_panel; ++panel)
            for (int64_t lane = 0, all = lanes_of<C>(H_); lane < all; lane += W) {
                const int64_t unit = panel * C::units + lane, place = panel * C::saved + lane;
                float *d = d_a + place / 16 * line_ + place % 16;
                const Vec d_past = load(r_h + unit), d_h = d_out ? load_some(d_out + unit, H_ - unit) + d_past : d_past;
                if constexpr (has_c) {
                    C::backward(d_h, gates + place, c_before + unit, load(tanh_c_.data() + row * Hp_ + unit),
                                r_c_.data() + row * Hp_ + unit, d, line_);
                    store(r_h + unit, set(0.0f));
                } else if constexpr (is_gru) {
                    store(r_h + unit, C::backward(d_h, gates + place, load_some(h + unit, H_ - unit), d, line_));
                } else {
                    store(d, cell_.d_phi(d_h, load_some(b_.out + at * H_ + unit, H_ - unit)));
                    store(r_h + unit, set(0.0f));
                }
            }
    }

    // tanh(c') of a step's rows [first, last), of some units: several vectors at once, where one alone would wait for itself
    void tanh_of_cells(int64_t t, int64_t first, int64_t last, int64_t first_panel, int64_t last_panel) {
        if constexpr (has_c) {
            constexpr int group = W == 8 ? 3 : 6;
            const int64_t begin = first_panel * C::units;
            const int64_t vectors = ((last_panel - first_panel - 1) * C::units + lanes_of<C>(H_) + W - 1) / W;
            const float *from = b_.cells + (rows_.offset[t] + first) * Hp_ + begin;
            float *to = tanh_c_.data() + first * Hp_ + begin;
            int64_t at = 0, line = 0;  // the vector that is next, and its row's beginning
            for (int64_t k = 0, all = (last - first) * vectors; k < all; k += group) {
                int64_t place[group];
                Vec c[group];
                for (int i = 0; i < group; ++i) {
                    place[i] = line + at * W, c[i] = load(from + place[i]);
                    if (k + i + 1 < all && ++at == vectors) at = 0, line += Hp_;
                }
                tanh_all(c);
                for (int i = 0; i < group; ++i) store(to + place[i], c[i]);
            }
        }
    }

    // where a row started afresh its gradient goes to the first state and no further
    void give_to_first(int64_t at, int64_t count) {
        for (int64_t i = 0; i < count; ++i)
            if (b_.reset[at + i]) {
                pour(b_.d_h0 + i * H_, r_h_.data() + i * Hp_);
                if (has_c) pour(b_.d_c0 + i * H_, r_c_.data() + i * Hp_);
            }
    }
    void pour(float *to, float *from) const {
        for (int64_t j = 0; j < H_; ++j) to[j] += from[j];
        std::fill_n(from, Hp_, 0.0f);
    }

    void list_rows(const Chunk &chunk) {
        const auto rows = static_cast<size_t>(chunk.high - chunk.low);
        places_.resize(rows), h_rows_.resize(rows);
        if (b_.x) x_rows_.resize(rows);
        else id_rows_.resize(rows);
        for (int64_t s = chunk.to - 1, m = 0; s >= chunk.from; --s)
            for (int64_t i = 0, t = rows_.time(s); i < rows_.count[t]; ++i, ++m) {
                const int64_t at = rows_.offset[t] + i;
                places_[m] = at - chunk.low, h_rows_[m] = h_before(s, i);
                if (b_.x) x_rows_[m] = b_.x + at * w_.D;
                else id_rows_[m] = b_.ids[at];
            }
        line_ = static_cast<ptrdiff_t>(places_.size() | 1) * 16;  // odd, so that lines of one row do not drive each other out
        const size_t size = static_cast<size_t>(line_ * row_size_ / 16);
        if (d_a_.size() < size) d_a_ = Floats(size);
    }

    void weight_gradients(const Chunk &chunk, int part, int parts) {
        const int64_t count = chunk.high - chunk.low, D = w_.D;
        // parts share out columns, never rows: a group of columns is packed once, then meets every slot
        int64_t group = 0;
        Floats columns(static_cast<size_t>(count * outer_vectors * W));
        if (!b_.ids && b_.d_w_ih)
            for (int64_t column = 0; column < D; column += outer_vectors * W)
                if (group++ % parts == part) column_gradients<true>(x_rows_.data(), column, columns.data(), count);
        const int64_t with_h = chunk.from ? count : count - from_nought_;
        for (int64_t column = 0; column < H_ && b_.d_w_hh && with_h; column += outer_vectors * W)
            if (group++ % parts == part) column_gradients<false>(h_rows_.data(), column, columns.data(), with_h);
        const int64_t slots = row_size_ / 16, together = 4;
        for (int64_t slot = part * together; slot < slots; slot += parts * together)
            if (slot + together <= slots) bias_gradients<together>(slot, count);
            else for (int64_t one = slot; one < slots; ++one) bias_gradients<1>(one, count);
    }

    template <bool side_of_x>
    void column_gradients(const float *const *rows, int64_t column, float *columns, int64_t count) {
        const Summed g = side_of_x ? Summed{b_.d_w_ih, partial_ih_.data(), w_.D, rows_.M}
                                   : Summed{b_.d_w_hh, partial_hh_.data(), H_, rows_.M - from_nought_};
        const int64_t vectors = (g.columns - column + W - 1) / W;
        if (vectors >= 3) slots_by<side_of_x, 3>(g, rows, column, columns, count);
        else if (vectors == 2) slots_by<side_of_x, 2>(g, rows, column, columns, count);
        else slots_by<side_of_x, 1>(g, rows, column, columns, count);
    }

    template <bool side_of_x, int NV>
    void slots_by(const Summed &g, const float *const *rows, int64_t column, float *columns, int64_t count) {
        pack_columns<NV>(rows, count, column, g.columns, columns);
        each_slot<side_of_x>([&](const float *d, int64_t first, int64_t lines) {
            for (int64_t line = 0; line < lines; line += outer_lines(NV))
                outer_tile<outer_lines(NV), NV>(d + line, columns, count, done_, g, first + line, lines - line, column);
        });
    }

    // f(d_a of 16 units of the chunk's rows, the first line of the weights that is theirs, how many lines are)
    template <bool side_of_x, class F>
    void each_slot(F &&f) {
        for (int64_t slot = 0; slot < row_size_ / 16; ++slot) {
            const int64_t panel = slot / (C::saved / 16), of = slot % (C::saved / 16);
            const int64_t gate = is_gru ? (side_of_x ? (of == 0 ? 2 : of == 3 ? -1 : of - 1) : of - 1) : C::gates == 1 ? 0 : of;
            const int64_t unit = C::gates == 1 ? panel * 32 + of * 16 : panel * 16;
            if (gate >= 0) f(d_a_.data() + slot * line_, gate * H_ + unit, std::min<int64_t>(16, H_ - unit));
        }
    }

    // What was left out for a state of noughts would have been no number where d_a is none: 0 times infinity.
    void mark_what_is_no_number() {
        const auto last = static_cast<int64_t>(places_.size());
        each_slot<false>([&](const float *d, int64_t first, int64_t lines) {
            float lanes[16];
            for (int v = 0; v < 16; v += W) {
                Vec sum = set(0.0f);
                for (int64_t m = last - from_nought_; m < last; ++m) sum = fma(load(d + m * 16 + v), set(0.0f), sum);
                store(lanes + v, sum);
            }
            for (int64_t line = 0; line < lines; ++line)
                if (lanes[line] != 0.0f) std::fill_n(b_.d_w_hh + (first + line) * H_, H_, std::numeric_limits<float>::quiet_NaN());
        });
    }

    // of N slots at once, as one alone would wait for each sum
    template <int N>
    void bias_gradients(int64_t slot, int64_t count) {
        const float *d = d_a_.data() + slot * line_;
        float *partial = bias_partial_.data() + slot * 16, *whole = bias_.data() + slot * 16;
        for (int v = 0; v < 16; v += W) {
            Vec acc[N];
            ELMAN_UNROLL
            for (int i = 0; i < N; ++i) acc[i] = load(partial + i * 16 + v);
            for (int64_t m = 0; m < count; ++m) {
                Vec one[N];
                ELMAN_UNROLL
                for (int i = 0; i < N; ++i) one[i] = load(d + i * line_ + m * 16 + v), acc[i] = acc[i] + one[i];
                if ((done_ + m + 1) % block == 0) {
                    ELMAN_UNROLL
                    for (int i = 0; i < N; ++i) store(whole + i * 16 + v, load(whole + i * 16 + v) + acc[i]), acc[i] = set(0.0f);
                }
                if (!b_.ids) continue;
                float *column = by_symbol_.data() + id_rows_[static_cast<size_t>(m)] * row_size_ + slot * 16 + v;
                ELMAN_UNROLL
                for (int i = 0; i < N; ++i) store(column + i * 16, load(column + i * 16) + one[i]);
            }
            ELMAN_UNROLL
            for (int i = 0; i < N; ++i) store(partial + i * 16 + v, acc[i]);
        }
    }

    void end() {
        if (from_nought_ && b_.d_w_hh) mark_what_is_no_number();
        const int64_t B = rows_.B, D = w_.D;
        const bool open = done_ % block != 0;
        for (int64_t i = 0; i < B; ++i) {
            for (int64_t j = 0; j < H_; ++j) b_.d_h0[i * H_ + j] += r_h_.data()[i * Hp_ + j];
            if (has_c)
                for (int64_t j = 0; j < H_; ++j) b_.d_c0[i * H_ + j] += r_c_.data()[i * Hp_ + j];
        }
        for (int64_t gate = 0; gate < C::gates; ++gate)
            for (int64_t unit = 0; unit < H_; ++unit) {
                const int64_t panel = unit / C::units, lane = unit % C::units;
                const int64_t slot_x = is_gru ? (gate == 2 ? 0 : gate + 1) : gate, slot_h = is_gru ? gate + 1 : gate;
                const int64_t x = panel * C::saved + slot_x * 16 + lane, h = panel * C::saved + slot_h * 16 + lane;
                const auto total = [&](int64_t at) { return bias_.data()[at] + (open ? bias_partial_.data()[at] : 0.0f); };
                if (b_.d_b_ih) b_.d_b_ih[gate * H_ + unit] = total(x);
                if (b_.d_b_hh) b_.d_b_hh[gate * H_ + unit] = total(h);
                if (b_.ids && b_.d_w_ih)
                    for (int64_t k = 0; k < D; ++k)
                        b_.d_w_ih[(gate * H_ + unit) * D + k] = by_symbol_.data()[k * row_size_ + x];
            }
    }

    const Backward &b_;
    const C &cell_;
    const Weights &w_;
    const Rows &rows_;
    const int64_t H_, Hp_, panels_, row_size_;
    const int64_t wanted_;  // rows of a chunk: less than a block would read and write the weight gradients too often
    const int groups_;  // of rows
    const Halves halves_;
    const bool own_rows_;  // whether each group of rows goes through the steps on its own
    const int64_t from_nought_;  // so many rows, the last of the sums, meet a state of noughts: nothing is added for them
    Floats r_h_, r_c_, first_c_, tanh_c_, d_a_, back_h_, back_x_, partial_ih_, partial_hh_, bias_, bias_partial_, by_symbol_;
    std::vector<int64_t> places_, id_rows_;  // of the chunk's row m: its packed row, from the chunk's lowest on; its symbol
    std::vector<const float *> x_rows_, h_rows_;
    ptrdiff_t line_ = 0;  // floats of a line of d_a_
    int64_t done_ = 0;
};

// to[k * width + lane] = row(lane)[k] for 16 lanes and k from `first` to `last`; null rows are noughts
inline void pack_block(const float *const (&rows)[16], int64_t first, int64_t last, ptrdiff_t width, float *to) {
    for (int group = 0; group < 16; group += W)
        for (int64_t k = first; k < last; k += W) {
            Vec square[W];
            ELMAN_UNROLL
            for (int lane = 0; lane < W; ++lane)
                square[lane] = rows[group + lane] ? load_some(rows[group + lane] + k, last - k) : set(0.0f);
            transpose(square);
            const auto n = static_cast<int>(std::min<int64_t>(W, last - k));
            if (n == W) {
                ELMAN_UNROLL
                for (int i = 0; i < W; ++i) store(to + (k + i) * width + group, square[i]);
            } else {
                for (int i = 0; i < n; ++i) store(to + (k + i) * width + group, square[i]);
            }
        }
}

// [panel][k][width] from rows (gates * H, K); units beyond H are noughts. Block by block of k, so that what is written
// is one stretch of memory and the next stretch of each row is on its way.
template <class C>
Floats pack_panels(const float *w, int64_t H, int64_t K, int threads) {
    constexpr int slots = C::width / 16;
    constexpr int64_t block_of_k = 32;
    const int64_t panels = panels_of_units<C>(H);
    Floats out(static_cast<size_t>(panels * K * C::width));
    const auto pack_panel = [&](int64_t panel) {
        const float *rows[slots][16];
        for (int slot = 0; slot < slots; ++slot) {
            const int64_t gate = C::gates == 1 ? 0 : slot, first = panel * C::units + (C::gates == 1 ? slot * 16 : 0);
            for (int64_t lane = 0; lane < 16; ++lane)
                rows[slot][lane] = first + lane < H ? w + (gate * H + first + lane) * K : nullptr;
        }
        for (int64_t k = 0; k < K; k += block_of_k)
            for (int slot = 0; slot < slots; ++slot) {
                for (int lane = 0; lane < 16 && rows[slot][lane]; ++lane)
                    for (int64_t line = 0; line < block_of_k; line += 16) __builtin_prefetch(rows[slot][lane] + k + block_of_k + line);
                pack_block(rows[slot], k, std::min(K, k + block_of_k), C::width, out.data() + panel * K * C::width + slot * 16);
            }
    };
    parallel(panels * K * C::width < worth_packing_together ? 1 : threads, [&](int part, int parts) {
        for (int64_t panel = part; panel < panels; panel += parts) pack_panel(panel);
    });
    return out;
}

template <class C>
Packed pack_for(const Weights &w, int threads) {
    Packed p;
    p.cell = w.cell, p.activation = w.activation, p.D = w.D, p.H = w.H;
    p.w_ih = pack_panels<C>(w.w_ih, w.H, w.D, threads);
    p.w_hh = pack_panels<C>(w.w_hh, w.H, w.H, threads);
    const int64_t panels = panels_of_units<C>(w.H);
    p.bias = Floats(static_cast<size_t>(panels * C::width));
    p.bias_q = Floats(static_cast<size_t>(panels * 16));
    std::fill_n(p.bias.data(), p.bias.size(), 0.0f);
    std::fill_n(p.bias_q.data(), p.bias_q.size(), 0.0f);
    for (int64_t gate = 0; gate < C::gates; ++gate)
        for (int64_t unit = 0; unit < w.H; ++unit) {
            const int64_t at = gate * w.H + unit, panel = unit / C::units, lane = unit % C::units;
            const float x = w.b_ih ? w.b_ih[at] : 0.0f, h = w.b_hh ? w.b_hh[at] : 0.0f;
            const bool apart = C::kind == Cell::gru && gate == 2;
            p.bias.data()[panel * C::width + gate * 16 + lane] = apart ? x : x + h;
            if (apart) p.bias_q.data()[panel * 16 + lane] = h;
        }
    return p;
}

}  // namespace elman::ELMAN_ISA
