// One instruction set's table of kernels; compiled once for each (see CMakeLists.txt).
#include <algorithm>

#include "rows.hpp"
#include "scan.hpp"

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

Floats pack_linear(const float *w, int64_t K, int64_t D) { return pack_panels<Rnn>(w, K, D, 1); }

void linear(const float *x, int64_t M, int64_t D, const float *panels, const float *bias, int64_t K, float *y,
            int threads) {
    parallel(threads, [&](int part, int parts) {
        Product{{x, D, 1, D, 0}, panels, K, bias, 0, y, K}(M, M, part, parts);
    });
}

constexpr int64_t worth_a_thread = 1 << 18;  // numbers of rows: to wake a thread takes as long as some 100,000 of them
int threads_for_rows(int threads, int64_t numbers) { return numbers < worth_a_thread ? 1 : threads; }

// [panel of 32 columns][k][32] from rows (K, D); what is beyond is nought
Floats pack_rows(const float *w, int64_t K, int64_t D) {
    const int64_t panels = (D + 31) / 32;
    Floats out(static_cast<size_t>(panels * K * 32));
    for (int64_t panel = 0; panel < panels; ++panel)
        for (int64_t k = 0; k < K; ++k)
            for (int v = 0; v < 32; v += W) {
                const int64_t j = panel * 32 + v;
                store(out.data() + (panel * K + k) * 32 + v, load_some(w + k * D + j, D - j));
            }
    return out;
}

// d_w (K, D) = Σ_m d_y[m]' x[m]: parts share out the columns; rows are summed in blocks, as every weight gradient's
void linear_weights(const LinearBack &b, const float *lines, int part, int parts) {
    constexpr int NV = outer_vectors, columns = NV * W;
    const Floats packed(static_cast<size_t>(b.M * columns));
    std::vector<const float *> rows(static_cast<size_t>(b.M));
    for (int64_t m = 0; m < b.M; ++m) rows[static_cast<size_t>(m)] = b.x + m * b.D;
    const Summed g{b.d_w, nullptr, b.D, b.M};
    for (int64_t column = part * columns; column < b.D; column += parts * columns) {
        pack_columns<NV>(rows.data(), b.M, column, b.D, packed.data());
        for (int64_t k = 0; k < b.K; k += outer_lines(NV))
            outer_tile<outer_lines(NV), NV>(lines + k / 16 * b.M * 16 + k % 16, packed.data(), b.M, 0, g, k, b.K - k, column);
    }
}

// y = x W' + b, so d_x = d_y W, d_W = d_y' x, d_b = Σ d_y
void linear_back(const LinearBack &b, int threads) {
    const int64_t groups = (b.K + 15) / 16;
    const Floats panels = pack_rows(b.w, b.K, b.D), lines(static_cast<size_t>(groups * b.M * 16));  // d_y as [16 of K][m][16]
    for (int64_t group = 0; group < groups; ++group)
        for (int64_t m = 0; m < b.M; ++m)
            for (int v = 0; v < 16; v += W) {
                const int64_t k = group * 16 + v;
                store(lines.data() + (group * b.M + m) * 16 + v, load_some(b.d_y + m * b.K + k, b.K - k));
            }
    std::fill_n(b.d_b, b.K, 0.0f);
    for (int64_t m = 0; m < b.M; ++m)
        for (int64_t k = 0; k < b.K; ++k) b.d_b[k] += b.d_y[m * b.K + k];
    if (!b.M) std::fill_n(b.d_w, b.K * b.D, 0.0f);
    parallel(threads_for_rows(threads, b.M * b.K * b.D / 32), [&](int part, int parts) {
        Product{{b.d_y, b.K, 1, b.K, 0}, panels.data(), b.D, nullptr, 0, b.d_x, b.D}(b.M, b.M, part, parts);
        linear_weights(b, lines.data(), part, parts);
    });
}

float highest(const float *row, int64_t K) {
    float most = row[0];
    for (int64_t k = 1; k < K; ++k) most = row[k] > most || row[k] != row[k] ? row[k] : most;
    return most;
}

void exp_from(const float *row, float most, float *e, int64_t K) {
    for (int64_t k = 0; k < K; k += W) {
        const Vec y = load_some(row + k, K - k) - set(most);
        store_some(e + k, exp_of_negative(y), K - k);
    }
}

float sum(const float *row, int64_t K) {  // one chain, k rising
    float total = 0.0f;
    for (int64_t k = 0; k < K; ++k) total += row[k];
    return total;
}

void softmax(float *rows, int64_t M, int64_t K) {
    parallel(1, [&](int, int) {
        for (int64_t m = 0; m < M; ++m, rows += K) {
            exp_from(rows, highest(rows, K), rows, K);
            const Vec total = set(sum(rows, K));
            for (int64_t k = 0; k < K; k += W) store_some(rows + k, load_some(rows + k, K - k) / total, K - k);
        }
    });
}

// ln x for a normal x >= 1: ln(2^e (1 + f)) = e ln 2 + f - f²/2 + f³ p(f); own coefficients, about 1 ulp
float log_of(float x) {
    if (!(x < 3e38f)) return x;
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    const uint32_t shifted = bits - 0x3f3504f3u;  // the bits of √½
    const int32_t e = static_cast<int32_t>(shifted) >> 23;
    bits -= static_cast<uint32_t>(e) << 23;
    float m;
    std::memcpy(&m, &bits, 4);
    const float f = m - 1.0f;
    constexpr float p[] = {0.0677323968f, -0.117013814f, 0.118906071f,  -0.124017439f, 0.142187357f,
                           -0.166681701f, 0.200021629f,  -0.250000073f, 0.33333312f};
    float y = p[0];
    for (int i = 1; i < 9; ++i) y = std::fma(y, f, p[i]);
    const float square = f * f, n = static_cast<float>(e);
    y = std::fma(square * f, y, n * 1.42860677e-6f);
    y = std::fma(-0.5f, square, y);
    return std::fma(n, 0.693145752f, f + y);
}

void log_softmax(float *rows, int64_t M, int64_t K) {
    parallel(1, [&](int, int) {
        Floats e(static_cast<size_t>(K));
        for (int64_t m = 0; m < M; ++m, rows += K) {
            const float most = highest(rows, K);
            exp_from(rows, most, e.data(), K);
            const Vec less = set(log_of(sum(e.data(), K)));
            for (int64_t k = 0; k < K; k += W)
                store_some(rows + k, (load_some(rows + k, K - k) - set(most)) - less, K - k);
        }
    });
}

// Cross entropy of rows of K scores: Σ_k -q log p, and its gradient p Σ q - q, where q is a row's share of the target:
// 1 - smoothing on its class and smoothing / K on each, times the weights of the classes.
double nll(const Nll &loss) {
    double total = 0;
    parallel(1, [&](int, int) {
        const int64_t K = loss.K;
        Floats logs(static_cast<size_t>(K));
        for (int64_t m = 0; m < loss.M; ++m) {
            float *slopes = loss.slopes + m * K, wanted = 0.0f;
            std::copy_n(loss.logits + m * K, K, logs.data());
            log_softmax(logs.data(), 1, K);
            exp_from(logs.data(), 0.0f, slopes, K);
            const auto q = [&](int64_t k) {
                const float even = loss.smoothing / static_cast<float>(K), own = k == loss.targets[m] ? 1.0f - loss.smoothing : 0.0f;
                return (even + own) * (loss.class_weights ? loss.class_weights[k] : 1.0f) * loss.share[m];
            };
            for (int64_t k = 0; k < K; ++k) wanted += q(k);
            for (int64_t k = 0; k < K; ++k) {
                if (const float part = q(k); part != 0.0f) total -= static_cast<double>(part) * static_cast<double>(logs.data()[k]);
                slopes[k] = slopes[k] * wanted - q(k);
            }
        }
    });
    return total;
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
const Kernels table = {ELMAN_NAME(ELMAN_ISA), pack,        run_forward, run_backward, run_step, pack_linear, linear, linear_back, softmax,
                       log_softmax,           nll, add,         take_max,    divide,       multiply,    scale,  map, pool_tree,
                       embed_rows,            drop_some,   pool_back_rows, pool_some, pool_some_back, spread_some, squares_of, catch_up_rows, move_some, move_all, sum_rows};

}  // namespace elman::ELMAN_ISA
