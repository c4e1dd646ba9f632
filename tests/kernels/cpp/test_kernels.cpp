// Forward, backward, one step and the answer, on every instruction set and by two threads, against plain loops in
// double precision. Built with sanitizers by tests/kernels/test_cpp.py: what it reads and writes is checked too.
#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>

#include "ragged.hpp"
#include "stepper.hpp"
#include "table.hpp"

using namespace elman;

namespace {

int failures = 0;
void expect(bool holds, const char *what) {
    if (!holds && ++failures < 20) std::printf("FAILED: %s\n", what);
}

using Numbers = std::vector<float>;
std::mt19937 random_bits(7);
Numbers draw(size_t n, float scale) {
    std::normal_distribution<float> normal(0, scale);
    Numbers x(n);
    for (float &v : x) v = normal(random_bits);
    return x;
}

struct Case {
    Cell cell;
    Activation activation;
    int64_t T, B, D, H;
    bool reverse, one_hot, resets, biases;
    std::vector<int64_t> lengths;
};

double sigma(double x) { return 1 / (1 + std::exp(-x)); }

// What a run gives: outputs, final states, then (if backwards) every gradient.
struct Result {
    Numbers out, hn, cn, d_x, d_w_ih, d_w_hh, d_b_ih, d_b_hh, d_h0, d_c0;
    bool operator==(const Result &o) const {
        const Numbers *a[] = {&out, &hn, &cn, &d_x, &d_w_ih, &d_w_hh, &d_b_ih, &d_b_hh, &d_h0, &d_c0};
        const Numbers *b[] = {&o.out, &o.hn, &o.cn, &o.d_x, &o.d_w_ih, &o.d_w_hh, &o.d_b_ih, &o.d_b_hh, &o.d_h0, &o.d_c0};
        for (int i = 0; i < 10; ++i)
            if (a[i]->size() != b[i]->size() || (!a[i]->empty() && std::memcmp(a[i]->data(), b[i]->data(), a[i]->size() * 4) != 0)) return false;
        return true;
    }
};

struct Data {
    Numbers x, w_ih, w_hh, b_ih, b_hh, h0, c0, d_out, d_hn, d_cn;
    std::vector<int64_t> ids;
    std::vector<uint8_t> reset;

    explicit Data(const Case &c) {
        const auto G = static_cast<size_t>(gates_of(c.cell) * c.H), D = static_cast<size_t>(c.D), H = static_cast<size_t>(c.H);
        const auto TB = static_cast<size_t>(c.T * c.B), B = static_cast<size_t>(c.B);
        const float scale = 0.7f / std::sqrt(static_cast<float>(c.H));
        x = draw(TB * D, 1), w_ih = draw(G * D, scale), w_hh = draw(G * H, scale), b_ih = draw(G, scale), b_hh = draw(G, scale);
        h0 = draw(B * H, 1), c0 = draw(B * H, 1), d_out = draw(TB * H, 1), d_hn = draw(B * H, 1), d_cn = draw(B * H, 1);
        for (size_t i = 0; i < TB; ++i) ids.push_back(static_cast<int64_t>(random_bits() % D)), reset.push_back(random_bits() % 4 == 0);
    }
};

// With `nought` no first state is given, and nobody asks for its gradient; `at_once`: weights are packed for the run alone.
Result by_kernel(const Case &c, const Data &d, int threads, bool nought = false, bool at_once = false) {
    Weights w{c.cell, c.activation, c.D, c.H, d.w_ih.data(), d.w_hh.data(), c.biases ? d.b_ih.data() : nullptr,
              c.biases ? d.b_hh.data() : nullptr};
    const Packed packed = kernels()->pack(w, threads);
    Result r;
    const size_t BH = d.h0.size();
    r.out.assign(d.d_out.size(), NAN), r.hn.assign(BH, NAN), r.cn.assign(c.cell == Cell::lstm ? BH : 0, NAN);
    Scan s{};
    s.weights = &packed, s.x = c.one_hot ? nullptr : d.x.data(), s.ids = c.one_hot ? d.ids.data() : nullptr;
    s.layout.T = c.T, s.layout.B = c.B, s.layout.lengths = c.lengths.data(), s.layout.reverse = c.reverse;
    s.reset = c.resets ? d.reset.data() : nullptr, s.h0 = nought ? nullptr : d.h0.data(), s.c0 = nought ? nullptr : d.c0.data(), s.threads = threads;
    s.out = r.out.data(), s.out_stride = c.H, s.hn = r.hn.data(), s.cn = r.cn.data();
    const auto TB = static_cast<size_t>(c.T * c.B);
    const Floats gates(TB * static_cast<size_t>(kept_gates(c.cell, c.H))), cells(TB * static_cast<size_t>(kept_cells(c.cell, c.H)));
    s.keep = true, s.gates = gates.data(), s.cells = cells.data();
    if (at_once) s.layout.lengths = nullptr, expect(run_at_once(w, s), "one step meets its weights as they are packed");
    else run(s);
    r.d_x.assign(c.one_hot ? 0 : d.x.size(), NAN), r.d_w_ih.assign(d.w_ih.size(), NAN), r.d_w_hh.assign(d.w_hh.size(), NAN);
    r.d_b_ih.assign(c.biases ? d.b_ih.size() : 0, NAN), r.d_b_hh.assign(c.biases ? d.b_hh.size() : 0, NAN);
    r.d_h0.assign(nought ? 0 : BH, NAN), r.d_c0.assign(c.cell == Cell::lstm && !nought ? BH : 0, NAN);
    BackScan b{};
    b.weights = &w, b.layout = s.layout, b.x = s.x, b.ids = s.ids, b.reset = s.reset, b.h0 = s.h0, b.c0 = s.c0;
    b.out = r.out.data(), b.gates = gates.data(), b.cells = cells.data();
    b.d_out = d.d_out.data(), b.d_hn = d.d_hn.data(), b.d_cn = d.d_cn.data(), b.d_x = c.one_hot ? nullptr : r.d_x.data();
    b.d_w_ih = r.d_w_ih.data(), b.d_w_hh = r.d_w_hh.data(), b.d_h0 = nought ? nullptr : r.d_h0.data(), b.d_c0 = nought ? nullptr : r.d_c0.data(), b.threads = threads;
    b.d_b_ih = c.biases ? r.d_b_ih.data() : nullptr, b.d_b_hh = c.biases ? r.d_b_hh.data() : nullptr;
    run_back(b);
    return r;
}

// The loss Σ out · d_out + hn · d_hn + cn · d_cn, row by row in double precision; `at` is changed by `step`.
double loss(const Case &c, const Data &d, Result *out) {
    double sum = 0;
    const int64_t H = c.H, D = c.D;
    if (out) out->out.assign(d.d_out.size(), 0), out->hn.assign(d.h0.size(), 0);
    for (int64_t b = 0; b < c.B; ++b) {
        std::vector<double> h(H), cell(H), first_h(H), first_c(H);
        for (int64_t j = 0; j < H; ++j) h[j] = first_h[j] = d.h0[b * H + j], cell[j] = first_c[j] = d.c0[b * H + j];
        for (int64_t s = 0; s < c.lengths[b]; ++s) {
            const int64_t t = c.reverse ? c.lengths[b] - 1 - s : s;
            if (c.resets && d.reset[t * c.B + b]) h = first_h, cell = first_c;
            std::vector<double> next = h, next_c = cell;
            for (int64_t j = 0; j < H; ++j) {
                double ax[4], ah[4];
                for (int64_t g = 0; g < gates_of(c.cell); ++g) {
                    const int64_t line = g * H + j;
                    ax[g] = c.biases ? d.b_ih[line] : 0, ah[g] = c.biases ? d.b_hh[line] : 0;
                    if (c.one_hot) ax[g] += d.w_ih[line * D + d.ids[t * c.B + b]];
                    else
                        for (int64_t k = 0; k < D; ++k) ax[g] += double(d.w_ih[line * D + k]) * d.x[(t * c.B + b) * D + k];
                    for (int64_t k = 0; k < H; ++k) ah[g] += double(d.w_hh[line * H + k]) * h[k];
                }
                if (c.cell == Cell::rnn) {
                    const double a = ax[0] + ah[0];
                    next[j] = c.activation == Activation::tanh ? std::tanh(a) : c.activation == Activation::relu ? std::fmax(a, 0) : a;
                } else if (c.cell == Cell::lstm) {
                    next_c[j] = sigma(ax[1] + ah[1]) * cell[j] + sigma(ax[0] + ah[0]) * std::tanh(ax[2] + ah[2]);
                    next[j] = sigma(ax[3] + ah[3]) * std::tanh(next_c[j]);
                } else {
                    const double r = sigma(ax[0] + ah[0]), z = sigma(ax[1] + ah[1]), n = std::tanh(ax[2] + r * ah[2]);
                    next[j] = n + z * (h[j] - n);
                }
            }
            h = next, cell = next_c;
            for (int64_t j = 0; j < H; ++j) {
                sum += h[j] * d.d_out[(t * c.B + b) * H + j];
                if (out) out->out[(t * c.B + b) * H + j] = static_cast<float>(h[j]);
            }
        }
        for (int64_t j = 0; j < H; ++j) {
            sum += h[j] * d.d_hn[b * H + j] + (c.cell == Cell::lstm ? cell[j] * d.d_cn[b * H + j] : 0);
            if (out) out->hn[b * H + j] = static_cast<float>(h[j]);
        }
    }
    return sum;
}

void near(const Numbers &found, const Numbers &wanted, const char *what) {
    double off = 0, size = 1e-6;
    for (size_t i = 0; i < wanted.size(); ++i) {
        off += (double(found[i]) - wanted[i]) * (double(found[i]) - wanted[i]);
        size += double(wanted[i]) * wanted[i];
    }
    expect(found.size() == wanted.size() && off <= 1e-10 * size, what);
}

// one number of each gradient against the difference of the loss
void slopes(const Case &c, const Data &d, const Result &r) {
    const auto check = [&](Numbers Data::*values, const Numbers &gradient, const char *what) {
        if (gradient.empty() || c.activation == Activation::relu) return;
        for (int trial = 0; trial < 1; ++trial) {
            const size_t at = random_bits() % gradient.size();
            Data up = d, down = d;
            (up.*values)[at] += 1e-2f, (down.*values)[at] -= 1e-2f;
            const double width = double((up.*values)[at]) - double((down.*values)[at]);
            const double slope = (loss(c, up, nullptr) - loss(c, down, nullptr)) / width;
            expect(std::fabs(slope - gradient[at]) <= 2e-2 * (1 + std::fabs(slope)), what);
        }
    };
    if (!c.one_hot) check(&Data::x, r.d_x, "d_x");
    check(&Data::w_ih, r.d_w_ih, "d_w_ih"), check(&Data::w_hh, r.d_w_hh, "d_w_hh");
    check(&Data::b_ih, r.d_b_ih, "d_b_ih"), check(&Data::b_hh, r.d_b_hh, "d_b_hh");
    check(&Data::h0, r.d_h0, "d_h0"), check(&Data::c0, r.d_c0, "d_c0");
}

void one_case(const Case &c) {
    const Data d(c);
    Result wanted;
    loss(c, d, &wanted);
    bool first = true;
    Result kept;
    for (const char *name : kernels_available()) {
        choose_kernels(name);
        for (const int threads : {1, 2}) {
            const Result found = by_kernel(c, d, threads);
            if (first) kept = found, first = false;
            expect(found == kept, "the same bits on every instruction set and by two threads");
        }
    }
    near(kept.out, wanted.out, "outputs"), near(kept.hn, wanted.hn, "final state");
    slopes(c, d, kept);
}

void recurrences() {
    const std::pair<Cell, Activation> kinds[] = {{Cell::rnn, Activation::tanh}, {Cell::rnn, Activation::relu},
        {Cell::rnn, Activation::identity}, {Cell::lstm, Activation::tanh}, {Cell::gru, Activation::tanh}};
    for (const auto &[cell, activation] : kinds)
        for (const int64_t H : {1, 17, 33})
            for (const int64_t B : {1, 3, 13})
                for (const int64_t T : {0, 1, 7}) {
                    const unsigned way = random_bits();
                    Case c{cell, activation, T, B, 5, H, (way & 1) != 0, (way & 2) != 0, (way & 4) != 0, (way & 8) != 0, {}};
                    for (int64_t b = 0; b < B; ++b) c.lengths.push_back(way & 16 ? T : static_cast<int64_t>(random_bits() % static_cast<unsigned>(T + 1)));
                    one_case(c);
                }
    for (const auto &[cell, activation] : kinds)  // more rows than a block, and two threads at work
        for (const bool ragged : {false, true}) {
            Case c{cell, activation, 5, 70, 40, 33, ragged, false, false, true, std::vector<int64_t>(70, 5)};
            for (int64_t &n : c.lengths) n = ragged ? static_cast<int64_t>(random_bits() % 6) : 5;
            one_case(c);
        }
}

// Weights that are met as they are packed: the same bits as with packed ones.
void single_steps() {
    for (const Cell cell : {Cell::rnn, Cell::lstm, Cell::gru})
        for (const int64_t H : {1, 17, 64})
            for (const int64_t B : {1, 2, 7, 13})
                for (const bool nought : {false, true}) {
                    const Case c{cell, Activation::tanh, 1, B, 35, H, nought, false, false, B != 2, std::vector<int64_t>(static_cast<size_t>(B), 1)};
                    const Data d(c);
                    const Result wanted = by_kernel(c, d, 1, nought);
                    for (const char *name : kernels_available()) {
                        choose_kernels(name);
                        for (const int threads : {1, 2}) expect(by_kernel(c, d, threads, nought, true) == wanted, "one step at once");
                    }
                }
}

// Nodes that go on from others, more at each step than began: every node is one step from its parent.
// A first state of noughts may be left out: the same bits, whoever computes them.
void states_of_noughts() {
    for (const Cell cell : {Cell::rnn, Cell::lstm, Cell::gru})
        for (const int64_t T : {1, 4, 9})
            for (const bool reverse : {false, true}) {
                Case c{cell, Activation::tanh, T, 70, 12, 40, reverse, false, false, true, std::vector<int64_t>(70, T)};
                for (int64_t &n : c.lengths) n = reverse ? static_cast<int64_t>(random_bits() % static_cast<unsigned>(T + 1)) : T;
                Data d(c);
                std::fill(d.h0.begin(), d.h0.end(), 0.0f), std::fill(d.c0.begin(), d.c0.end(), 0.0f);
                Result wanted = by_kernel(c, d, 1);
                wanted.d_h0.clear(), wanted.d_c0.clear();
                for (const char *name : kernels_available()) {
                    choose_kernels(name);
                    for (const int threads : {1, 2}) expect(by_kernel(c, d, threads, true) == wanted, "no first state is one of noughts");
                }
            }
}

void trees() {
    const std::vector<int64_t> counts = {2, 9, 40, 90};
    for (const Cell cell : {Cell::rnn, Cell::lstm, Cell::gru}) {
        const Case c{cell, Activation::tanh, 141, 1, 5, 17, false, false, false, true, {141}};
        const Data d(c);
        const Weights w{cell, c.activation, c.D, c.H, d.w_ih.data(), d.w_hh.data(), d.b_ih.data(), d.b_hh.data()};
        Rows rows;
        std::vector<int64_t> parent;
        for (const int64_t n : counts) {
            const int64_t before = rows.M - (rows.count.empty() ? 0 : rows.count.back());
            for (int64_t i = 0; i < n; ++i)
                parent.push_back(rows.count.empty() ? -1 : before + static_cast<int64_t>(random_bits() % static_cast<unsigned>(rows.count.back())));
            rows.count.push_back(n), rows.offset.push_back(rows.M), rows.M += n;
        }
        rows.T = static_cast<int64_t>(counts.size()), rows.B = counts[0];
        const Numbers first(static_cast<size_t>(rows.B * c.H), 0.0f);
        Numbers kept;
        for (const char *name : kernels_available()) {
            choose_kernels(name);
            const Packed packed = kernels()->pack(w, 1);
            for (const int threads : {1, 2}) {
                Numbers out(static_cast<size_t>(rows.M * c.H), NAN);
                Forward f{};
                f.weights = &packed, f.rows = &rows, f.x = d.x.data(), f.parent = parent.data(), f.h0 = f.c0 = first.data();
                f.out = out.data(), f.threads = threads;
                kernels()->forward(f);
                if (kept.empty()) kept = out;
                expect(std::memcmp(kept.data(), out.data(), out.size() * sizeof(float)) == 0, "the same bits of a tree");
            }
        }
        for (int64_t m = 0; m < rows.M && cell != Cell::lstm; ++m) {
            Case one = c;
            one.T = 1, one.lengths = {1};
            Data step = d;
            step.x.assign(d.x.begin() + m * c.D, d.x.begin() + (m + 1) * c.D), step.d_out.resize(static_cast<size_t>(c.H));
            const float *from = parent[static_cast<size_t>(m)] < 0 ? first.data() : kept.data() + parent[static_cast<size_t>(m)] * c.H;
            step.h0.assign(from, from + c.H);
            expect(std::memcmp(by_kernel(one, step, 1).out.data(), kept.data() + m * c.H, static_cast<size_t>(c.H) * sizeof(float)) == 0,
                   "a node is one step from its parent");
        }
    }
}

void steps_and_answers() {
    for (const char *name : kernels_available()) {
        choose_kernels(name);
        for (const Cell cell : {Cell::rnn, Cell::lstm, Cell::gru}) {
            Case c{cell, Activation::tanh, 6, 3, 5, 17, false, false, false, true, {6, 6, 6}};
            Data d(c);
            std::fill(d.h0.begin(), d.h0.end(), 0.0f), std::fill(d.c0.begin(), d.c0.end(), 0.0f);
            const Result whole = by_kernel(c, d, 1);
            Weights w{cell, c.activation, c.D, c.H, d.w_ih.data(), d.w_hh.data(), d.b_ih.data(), d.b_hh.data()};
            Numbers head(2 * 17, 0.0f), bias(2, 0.0f), answer(3 * 2);
            head[0] = head[17 + 16] = 1.0f;
            std::vector<Packed> layers;
            layers.push_back(kernels()->pack(w, 2));
            Stepper stepper(std::move(layers), {}, 0, head.data(), bias.data(), 2, 3);
            for (int64_t t = 0; t < 6; ++t) {
                stepper.step(d.x.data() + t * 15, answer.data());
                for (int64_t s = 0; s < 3; ++s)
                    expect(answer[s * 2] == whole.out[(t * 3 + s) * 17] && answer[s * 2 + 1] == whole.out[(t * 3 + s) * 17 + 16],
                           "a step has the bits of the whole");
            }
            stepper.reset(1);
            stepper.reset();
        }
        Numbers rows = {1, 2, 3, -1e30f, 80, 80, 5, 5, 5}, logs = rows;
        kernels()->softmax(rows.data(), 3, 3), kernels()->log_softmax(logs.data(), 3, 3);
        expect(std::fabs(rows[2] - 0.66524096f) < 1e-6f && rows[3] == 0 && rows[4] == 0.5f, "softmax");
        expect(std::fabs(logs[0] + 2.4076059f) < 1e-6f && std::fabs(logs[8] + 1.0986123f) < 1e-6f, "log-softmax");
    }
}

void rows_of_tables() {
    constexpr int64_t V = 9, E = 7;
    Numbers w = draw(V * E, 1), m = draw(V * E, 1), v = draw(V * E, 1), since = {0, 1, 2, 2, 1, 0, 2, 0, 1};
    for (float &x : v) x *= x;
    const Numbers decay = {0.5f, 0.8f, 1}, drift = {0.3f, 0.1f, 0}, shrink_m = {0.81f, 0.9f, 1}, shrink_v = {0.98f, 0.99f, 1}, eps(3, 1e-3f);
    const Numbers w0 = w, m0 = m, v0 = v;
    const Table table{V, E, w.data(), m.data(), v.data(), since.data()};
    const int64_t ids[] = {8, 1, 8, 0, 2};
    const Kernels &k = *kernels();
    k.catch_up(table, {2, decay.data(), drift.data(), shrink_m.data(), shrink_v.data(), eps.data()}, ids, 5, 2);
    for (int64_t i = 0; i < V * E; ++i) {
        const bool read = i / E == 8 || i / E == 1 || i / E == 0;
        const size_t l = i / E == 0 ? 0 : 1, at = static_cast<size_t>(i);
        const double wanted = read ? w0[at] * double(decay[l]) - drift[l] * double(m0[at]) / (std::sqrt(double(v0[at])) + 1e-3) : w0[at];
        expect(std::fabs(w[at] - wanted) < 1e-5 * (1 + std::fabs(wanted)), "a row that rested");
        expect(m[at] == (read ? m0[at] * shrink_m[l] : m0[at]), "what a row remembers");
    }
    int64_t rows[5];
    const Numbers slopes = draw(5 * E, 1);
    Numbers sums(5 * E);
    expect(k.sum_rows(ids, slopes.data(), 5, E, -1, rows, sums.data(), 2) == 4, "different rows");
    expect(rows[0] == 8 && rows[1] == 1 && rows[2] == 0 && rows[3] == 2, "rows as they first appear");
    expect(sums[3] == slopes[3] + slopes[2 * E + 3], "sums of rows");
    expect(k.sum_rows(ids, slopes.data(), 5, E, 8, rows, sums.data(), 2) == 3 && rows[0] == 1, "an id that is left out");
    k.sum_rows(ids, slopes.data(), 5, E, -1, rows, sums.data(), 2);
    const Numbers w1 = w, m1 = m, v1 = v;
    k.move_rows(table, {0.1f, 0.9f, 0.9f, 0.99f, 1e-8f, 1.0f}, rows, sums.data(), 4, 3, 2);
    const double g = sums[5], mean = 0.9 * m1[8 * E + 5] + 0.1 * g, square = 0.99 * v1[8 * E + 5] + 0.01 * g * g;
    expect(std::fabs(w[8 * E + 5] - (0.9 * w1[8 * E + 5] - 0.1 * mean / (std::sqrt(square) + 1e-8))) < 1e-5, "a row that moved");
    expect(since[8] == 3 && since[3] == 2 && w[3 * E] == w1[3 * E], "the others rest");
    const float *tables[] = {w.data(), m.data()};
    const std::vector<uint16_t> bits = {9, 1, 8, 65535, 0, 7, 8, 9, 9, 9, 9, 9, 9, 9};
    Numbers y(2 * E), z(2 * E);
    k.embed(tables, ids, 2, 2, E, {nullptr, 0, 1}, y.data(), 2);  // rows (8, 1) and (8, 0)
    expect(y[3] == w[8 * E + 3] + m[E + 3] && y[E + 3] == w[8 * E + 3] + m[3], "sums of two tables");
    k.embed(tables, ids, 2, 2, E, {bits.data(), 8, 1.5f}, z.data(), 1);
    k.drop({bits.data(), 8, 1.5f}, y.data(), y.data(), 2 * E, 2);
    expect(y == z && z[1] == 0 && z[2] != 0 && z[3] != 0 && z[4] == 0, "what dropout leaves");
}

void pooled_rows() {
    constexpr int64_t T = 3, B = 2, H = 5;
    Numbers x = draw(T * B * H, 1), most(B * H, -1e30f), d_sum = draw(B * H, 1), d_most = draw(B * H, 1), d_x(T * B * H, 7);
    x[2] = x[B * H + 2] = 5;  // row 0: two steps are the greatest together
    const int64_t lengths[] = {2, 3};
    for (int64_t t = 0; t < T; ++t)
        for (int64_t i = 0; i < B * H; ++i)
            if (t < lengths[i / H]) most[i] = std::max(most[i], x[t * B * H + i]);
    kernels()->pool_back({T, B, H, lengths, x.data(), most.data(), d_sum.data(), d_most.data(), d_x.data()}, 2);
    expect(d_x[2] == d_sum[2] + d_most[2] / 2 && d_x[B * H + 2] == d_x[2], "steps that are the greatest together share its gradient");
    for (int64_t i = 0; i < B * H; ++i) {
        double all = 0;
        for (int64_t t = 0; t < T; ++t) all += d_x[t * B * H + i];
        expect(std::fabs(all - (lengths[i / H] * double(d_sum[i]) + d_most[i])) < 1e-5, "no part of a gradient is lost");
        if (i < H) expect(d_x[2 * B * H + i] == 0, "nothing goes beyond a row's length");
    }
    kernels()->pool_back({T, B, H, lengths, nullptr, nullptr, d_sum.data(), nullptr, d_x.data()}, 1);
    expect(d_x[0] == d_sum[0] && d_x[2 * B * H] == 0, "the gradient of sums alone");
}

void packed_rows() {
    constexpr int64_t T = 3, B = 4, H = 19, M = 7, wide = 3 * H + 1;  // lengths 0, 3, 1, 3 of the user's rows
    const int64_t count[] = {3, 2, 2}, offset[] = {0, 3, 5}, order[] = {1, 3, 2, 0};
    const Steps steps{T, B, M, count, offset, order};
    Numbers x = draw(M * H, 1), pooled(B * wide, 7), slopes = draw(B * wide, 1), d_x(M * H, NAN);
    x[4] = x[3 * H + 4] = 9;  // row 1: two steps are the greatest together
    for (const char *name : kernels_available()) {
        choose_kernels(name);
        const Kernels &k = *kernels();
        k.pool_columns(steps, {x.data(), H, wide, pooled.data(), pooled.data() + H, pooled.data() + 2 * H, 3.0f}, 2);
        const double total = double(x[4]) + x[3 * H + 4] + x[5 * H + 4];
        expect(std::fabs(pooled[wide + 4] - total / 3) < 1e-6 && pooled[wide + H + 4] == 9, "mean and greatest of packed rows");
        expect(std::fabs(pooled[wide + 2 * H + 4] - 3 * total / std::sqrt(3.0)) < 1e-5, "their sum over the root of the length");
        expect(pooled[0] == 0 && pooled[H] == 0 && pooled[2 * H] == 0 && pooled[3 * H] == 7, "a row without steps; what is not meant");
        k.pool_columns_back(steps, {x.data(), H, wide, pooled.data() + H, slopes.data(), slopes.data() + H, d_x.data()}, 2);
        expect(std::fabs(d_x[4] - (slopes[wide + 4] / 3 + slopes[wide + H + 4] / 2)) < 1e-6 && d_x[4] == d_x[3 * H + 4], "its gradient is shared");
        expect(std::fabs(d_x[2 * H] - (slopes[2 * wide] + slopes[2 * wide + H])) < 1e-6, "a row of one step");
        const std::vector<uint16_t> bits(M * H, 9);
        const int64_t places[] = {6, 5, 4, 3, 2, 1, 0};
        const float before = d_x[4];
        k.spread(steps, slopes.data() + 2 * H, wide, 3.0f, H, {bits.data(), 9, 2.0f, places}, d_x.data(), 2);
        expect(std::fabs(d_x[4] - 2 * (before + 3 / std::sqrt(3.0) * slopes[wide + 2 * H + 4])) < 1e-5, "what the sum gives is added, then dropped from");
        k.spread(steps, nullptr, 0, 1.0f, H, {bits.data(), 10, 2.0f}, d_x.data(), 1);
        expect(std::all_of(d_x.begin(), d_x.end(), [](float v) { return v == 0; }), "all of it");
        double squares = 0;
        for (const float v : slopes) squares += double(v) * v;
        expect(std::fabs(k.squares(slopes.data(), static_cast<int64_t>(slopes.size())) - squares) < 1e-4, "a sum of squares");
    }
}

void linear_maps() {
    for (const char *name : kernels_available())
        for (const auto &[M, D, K] : {std::array<int64_t, 3>{3, 5, 1}, {261, 50, 19}, {40, 96, 130}}) {
            choose_kernels(name);
            const Numbers x = draw(static_cast<size_t>(M * D), 1), w = draw(static_cast<size_t>(K * D), 1), d_y = draw(static_cast<size_t>(M * K), 1);
            Numbers d_x(x.size(), NAN), d_w(w.size(), NAN), d_b(static_cast<size_t>(K), NAN);
            kernels()->linear_back({M, D, K, x.data(), w.data(), d_y.data(), d_x.data(), d_w.data(), d_b.data()}, 2);
            double of_x = 0, of_w = 0, of_b = 0;  // the last of each
            for (int64_t k = 0; k < K; ++k) of_x += double(d_y[(M - 1) * K + k]) * w[k * D + D - 1];
            for (int64_t m = 0; m < M; ++m) of_w += double(d_y[m * K + K - 1]) * x[m * D + D - 1], of_b += d_y[m * K + K - 1];
            expect(std::fabs(d_x.back() - of_x) < 1e-4 && std::fabs(d_w.back() - of_w) < 1e-4 && std::fabs(d_b.back() - of_b) < 1e-4,
                   "the gradients of a linear map");
            for (const Numbers *found : {&d_x, &d_w, &d_b})
                expect(std::none_of(found->begin(), found->end(), [](float v) { return v != v; }), "all of them are written");
        }
}

void losses() {
    constexpr int64_t M = 3, K = 17;
    const Numbers logits = draw(M * K, 3), share = {0.5f, 0.0f, 2.0f}, classes = draw(K, 1);
    const int64_t targets[] = {16, 2, 0};
    Numbers slopes(M * K, NAN);
    const double found = kernels()->nll({M, K, logits.data(), targets, share.data(), classes.data(), 0.25f, slopes.data()});
    double wanted = 0;
    for (int64_t m = 0; m < M; ++m) {
        double total = 0, weight = 0;
        for (int64_t k = 0; k < K; ++k) total += std::exp(double(logits[m * K + k]));
        const auto q = [&](int64_t k) { return (0.25 / K + (k == targets[m] ? 0.75 : 0)) * classes[k] * share[m]; };
        for (int64_t k = 0; k < K; ++k) weight += q(k), wanted -= q(k) * (logits[m * K + k] - std::log(total));
        for (int64_t k = 0; k < K; ++k)
            expect(std::fabs(slopes[m * K + k] - (std::exp(double(logits[m * K + k])) / total * weight - q(k))) < 1e-5, "the gradient of a loss");
    }
    expect(std::fabs(found - wanted) < 1e-4, "a loss");
    Numbers w = draw(40, 1), m = draw(40, 1), v = draw(40, 1), g = draw(40, 1);
    for (float &one : v) one *= one;
    const double mean = 0.9 * m[39] + 0.1 * 0.5 * g[39], square = 0.99 * v[39] + 0.01 * 0.25 * double(g[39]) * g[39];
    const double moved = 0.8 * w[39] - 0.1 * mean / (std::sqrt(square) + 1e-8);
    kernels()->move({0.1f, 0.8f, 0.9f, 0.99f, 1e-8f, 0.5f}, g.data(), w.data(), m.data(), v.data(), 40, 2);
    expect(std::fabs(w[39] - moved) < 1e-5, "a weight moves by a share of its slope");
}

// After a pause the scheduler is fond of waking a worker on its caller's processor, where it waits for the caller's end.
void processors_of_parts() {
#if defined(__GLIBC__) && defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) || CPU_COUNT(&allowed) < 2) return;
    using Clock = std::chrono::steady_clock;
    constexpr int tries = 60;
    int together = 0;
    for (int i = 0; i < tries; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        int at[2] = {-1, -2};
        parallel(2, [&](int part, int) {
            at[part] = sched_getcpu();
            for (const auto end = Clock::now() + std::chrono::microseconds(300); Clock::now() < end;) {}
        });
        together += at[0] == at[1];
    }
    expect(together < tries / 4, "two parts have a processor each");
#endif
}

// The sanitizer gives freed memory to nobody for a while: what is found at the same place again was kept.
void kept_memory() {
    const auto place_of = [](size_t floats) { return Floats(floats).data(); };  // and leaves it
    constexpr size_t small = 1 << 20, large = 12 << 20;
    const float *const first = place_of(small);
    expect(place_of(small) == first, "a block is kept for the next call");
    expect(place_of(small * 9 / 10) == first, "for one that needs a little less too");
    expect(place_of(small / 2) != first, "but not for a small one");
    const float *const much = place_of(large);
    Floats again(large);
    expect(again.data() == much, "so is one that the system may take");
    std::fill_n(again.data(), large, 1.0f);
    expect(again.data()[0] == 1.0f && again.data()[large - 1] == 1.0f, "and holds what is written to it");
    std::vector<Floats> others;
    for (int i = 0; i < 16; ++i) others.emplace_back(small / 4);
    others.clear();
    expect(place_of(small) != first, "the oldest make room");
}

}  // namespace

int main() {
    kept_memory();
    poison = true;
    recurrences();
    states_of_noughts();
    single_steps();
    trees();
    steps_and_answers();
    rows_of_tables();
    pooled_rows();
    packed_rows();
    linear_maps();
    losses();
    processors_of_parts();
    std::printf("%d failures\n", failures);
    return failures != 0;
}
