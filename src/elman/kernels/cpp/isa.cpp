// One instruction set's table of kernels; compiled once for each (see CMakeLists.txt).
#include <algorithm>

#include "answers.hpp"
#include "at_once.hpp"
#include "backward.hpp"
#include "forward.hpp"
#include "gru.hpp"
#include "lstm.hpp"
#include "pack.hpp"
#include "packed_rows.hpp"
#include "rnn.hpp"
#include "rows.hpp"

namespace elman::ELMAN_ISA {
namespace {

Packed pack(const Weights &w, int threads) {
    switch (w.cell) {
        case Cell::rnn: return pack_for<Rnn>(w, threads);
        case Cell::lstm: return pack_for<Lstm>(w, threads);
        default: return pack_for<Gru>(w, threads);
    }
}

void run_forward(const Forward &f) {
    switch (f.weights->cell) {
        case Cell::rnn: return forward(f, Rnn{f.weights->activation});
        case Cell::lstm: return forward(f, Lstm{});
        default: return forward(f, Gru{});
    }
}

void run_once(const Once &o) {
    switch (o.weights->cell) {
        case Cell::rnn: return AtOnce<Rnn>(o, Rnn{o.weights->activation})();
        case Cell::lstm: return AtOnce<Lstm>(o, Lstm{})();
        default: return AtOnce<Gru>(o, Gru{})();
    }
}

void run_backward(const Backward &b) {
    switch (b.weights->cell) {
        case Cell::rnn: return Back<Rnn>(b, Rnn{b.weights->activation}).run();
        case Cell::lstm: return Back<Lstm>(b, Lstm{}).run();
        default: return Back<Gru>(b, Gru{}).run();
    }
}

void run_step(const Packed &w, int64_t S, const float *x, float *h, float *c, float *sums, float *h_next) {
    switch (w.cell) {
        case Cell::rnn: return one_step(Rnn{w.activation}, w, S, x, h, c, sums, h_next);
        case Cell::lstm: return one_step(Lstm{}, w, S, x, h, c, sums, h_next);
        default: return one_step(Gru{}, w, S, x, h, c, sums, h_next);
    }
}

template <class F>
void each(float *y, int64_t n, F &&f) {
    parallel(1, [&](int, int) {
        for (int64_t k = 0; k < n; k += W) store_some(y + k, f(load_some(y + k, n - k), k), n - k);
    });
}

void add(float *y, const float *x, int64_t n) {
    each(y, n, [&](Vec a, int64_t k) { return a + load_some(x + k, n - k); });
}

Vec joined(int kind, Vec a, Vec b) { return kind == 1 ? select(is_nan(a), a, max(a, b)) : a + b; }  // max gives b when b is NaN

void take_max(float *y, const float *x, int64_t n) {
    each(y, n, [&](Vec a, int64_t k) { return joined(1, a, load_some(x + k, n - k)); });
}

void pool_tree(int kind, const float *x, const int64_t *ids, const int64_t *parent, int64_t M, int64_t H, float *upto) {
    parallel(1, [&](int, int) {
        for (int64_t m = 0; m < M; ++m) {
            const float *own = x + (ids ? ids[m] : m) * H;
            float *to = upto + m * H;
            for (int64_t k = 0; k < H; k += W) {
                const Vec before = parent[m] >= 0 ? load_some(upto + parent[m] * H + k, H - k) : set(kind == 1 ? -INFINITY : 0.0f);
                store_some(to + k, joined(kind, before, load_some(own + k, H - k)), H - k);
            }
        }
    });
}

void divide(float *y, float by, int64_t n) {
    each(y, n, [&](Vec a, int64_t) { return a / set(by); });
}

void multiply(float *y, float by, int64_t n) {
    each(y, n, [&](Vec a, int64_t) { return a * set(by); });
}

void scale(float *y, const float *by, const float *shift, int64_t M, int64_t K) {
    for (int64_t m = 0; m < M; ++m, y += K)
        each(y, K, [&](Vec a, int64_t k) { return fma(a, load_some(by + k, K - k), load_some(shift + k, K - k)); });
}

void map(int which, const float *x, float *y, int64_t n) {
    if (which == 0) each(y, n, [&](Vec, int64_t k) { return tanh(load_some(x + k, n - k)); });
    if (which == 1) each(y, n, [&](Vec, int64_t k) { return sigmoid(load_some(x + k, n - k)); });
    if (which == 2) each(y, n, [&](Vec, int64_t k) { return exp_of_negative(load_some(x + k, n - k)); });
}

void embed_rows(const float *const *tables, const int64_t *ids, int64_t M, int64_t G, int64_t E, const Drop &mask, float *y, int threads) {
    parallel(threads_for_rows(threads, M * G * E), [&](int part, int parts) {
        embed(tables, ids, M * part / parts, M * (part + 1) / parts, G, E, mask, y);
    });
}

void drop_some(const Drop &mask, const float *x, float *y, int64_t n, int threads) {
    parallel(threads_for_rows(threads, n), [&](int part, int parts) {
        const int64_t from = n * part / parts, to = n * (part + 1) / parts;
        drop(mask, from, x + from, y + from, to - from);
    });
}

void pool_back_rows(const Pooled &p, int threads) {
    parallel(threads_for_rows(threads, p.T * p.B * p.H), [&](int part, int parts) {
        const Floats shares(static_cast<size_t>(p.H));
        pool_back(p, p.B * part / parts, p.B * (part + 1) / parts, shares.data());
    });
}

void pool_some(const Steps &s, const Columns &c, int threads) {
    parallel(threads_for_rows(threads, s.M * c.H), [&](int part, int parts) { pool_columns(s, c, part, parts); });
}

void pool_some_back(const Steps &s, const ColumnsBack &c, int threads) {
    parallel(threads_for_rows(threads, s.M * c.H), [&](int part, int parts) { pool_columns_back(s, c, part, parts); });
}

void spread_some(const Steps &s, const float *d_sum, int64_t stride, float factor, int64_t E, const Drop &mask, float *d_x, int threads) {
    parallel(threads_for_rows(threads, s.M * E),
             [&](int part, int parts) { spread(s, d_sum, stride, factor, E, mask, d_x, part, parts); });
}

double squares_of(const float *x, int64_t n) {
    double total = 0;
    parallel(1, [&](int, int) { total = squares(x, n); });
    return total;
}

void catch_up_rows(const Table &table, const Rests &rests, const int64_t *ids, int64_t n, int threads) {
    parallel(threads_for_rows(threads, n * table.E), [&](int part, int parts) { catch_up(table, rests, ids, n, part, parts); });
}

int64_t sum_rows(const int64_t *ids, const float *slopes, int64_t n, int64_t E, int64_t left_out, int64_t *rows, float *sums,
                 int threads) {
    std::vector<int64_t> sum_of(static_cast<size_t>(n));
    const int64_t found = place_rows(ids, n, left_out, rows, sum_of.data()), lines = (E + W - 1) / W;
    parallel(threads_for_rows(threads, n * E), [&](int part, int parts) {
        const int64_t from = lines * part / parts * W, to = std::min(E, lines * (part + 1) / parts * W);
        sum_columns(sum_of.data(), slopes, n, E, from, to, sums);
    });
    return found;
}

void move_some(const Table &table, const Move &move, const int64_t *rows, const float *slopes, int64_t n, int64_t now, int threads) {
    parallel(threads_for_rows(threads, n * table.E), [&](int part, int parts) {
        move_rows(table, move, rows, slopes, n * part / parts, n * (part + 1) / parts, now);
    });
}

void move_all(const Move &by, const float *g, float *w, float *m, float *v, int64_t n, int threads) {
    parallel(threads_for_rows(threads, n), [&](int part, int parts) {
        const int64_t from = n * part / parts, to = n * (part + 1) / parts;
        move(by, g + from, w + from, m + from, v + from, to - from);
    });
}

}  // namespace

#define ELMAN_TEXT(x) #x
#define ELMAN_NAME(x) ELMAN_TEXT(x)
extern const Kernels table;
const Kernels table = {ELMAN_NAME(ELMAN_ISA), pack,        run_forward, run_once, run_backward, run_step, pack_linear, linear, linear_back, softmax,
                       log_softmax,           nll, add,         take_max,    divide,       multiply,    scale,  map, pool_tree,
                       embed_rows,            drop_some,   pool_back_rows, pool_some, pool_some_back, spread_some, squares_of, catch_up_rows, move_some, move_all, sum_rows};

}  // namespace elman::ELMAN_ISA
