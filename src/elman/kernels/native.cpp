// The boundary between Python and the kernels: checks what comes, owns what is kept, and lets other threads run.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>

#include "addresses.hpp"
#include "cpp/ragged.hpp"
#include "cpp/stepper.hpp"
#include "tensors.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

constexpr int abi = 9;  // the boundary between Python and C++; kernels/native.py names the same number
constexpr const char *version = ELMAN_VERSION;  // the package's own, from pyproject.toml by way of CMake

using In = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const int64_t, nb::c_contig, nb::device::cpu>;
using Flags = nb::ndarray<const uint8_t, nb::c_contig, nb::device::cpu>;
template <class A>
using Maybe = std::optional<A>;

// Every array has just the shape that the call needs, or nothing is read: the one rule of this boundary.
template <class A>
void expect(const A &a, std::initializer_list<int64_t> shape, const char *name) {
    bool same = a.ndim() == shape.size();
    size_t axis = 0;
    for (const int64_t n : shape) same = same && static_cast<int64_t>(a.shape(axis++)) == n;
    if (same) return;
    std::string wanted, given;
    for (const int64_t n : shape) wanted += (wanted.empty() ? "" : ", ") + std::to_string(n);
    for (size_t i = 0; i < a.ndim(); ++i) given += (i ? ", " : "") + std::to_string(a.shape(i));
    throw std::invalid_argument(std::string(name) + " has shape (" + given + "), expected (" + wanted + ")");
}

const float *data(const Maybe<In> &a, std::initializer_list<int64_t> shape, const char *name) {
    if (!a) return nullptr;
    expect(*a, shape, name);
    return a->data();
}

void expect_lengths(const Maybe<Ids> &lengths, int64_t T, int64_t B) {
    if (!lengths) return;
    expect(*lengths, {B}, "lengths");
    for (int64_t b = 0; b < B; ++b)
        if (lengths->data()[b] < 0 || lengths->data()[b] > T) throw std::invalid_argument("a length is not between 0 and T");
}

void expect_ids(const int64_t *ids, int64_t n, int64_t size) {
    for (int64_t i = 0; i < n; ++i)
        if (ids[i] < 0 || ids[i] >= size) throw std::invalid_argument("an id is outside its table");
}


Cell cell_named(const std::string &name) {
    if (name == "rnn") return Cell::rnn;
    if (name == "lstm") return Cell::lstm;
    if (name == "gru") return Cell::gru;
    throw std::invalid_argument("no kernel for the cell " + name);
}

Activation activation_named(const std::string &name) {
    if (name == "tanh") return Activation::tanh;
    if (name == "relu") return Activation::relu;
    if (name == "identity") return Activation::identity;
    throw std::invalid_argument("no kernel for the nonlinearity " + name);
}

// A layer in one direction with its own copy of the weights, packed.
struct Layer {
    Layer(const std::string &cell, const std::string &nonlinearity, const In &w_ih, const In &w_hh,
          const Maybe<In> &b_ih, const Maybe<In> &b_hh) {
        Weights w{};
        w.cell = cell_named(cell), w.activation = activation_named(nonlinearity);
        if (w_hh.ndim() != 2 || w_ih.ndim() != 2) throw std::invalid_argument("weights have two dimensions");
        const int64_t G = gates_of(w.cell);
        w.H = static_cast<int64_t>(w_hh.shape(1)), w.D = static_cast<int64_t>(w_ih.shape(1));
        if (w.H < 1) throw std::invalid_argument("hidden_size must be at least 1");
        expect(w_ih, {G * w.H, w.D}, "weight_ih");
        expect(w_hh, {G * w.H, w.H}, "weight_hh");
        w.w_ih = w_ih.data(), w.w_hh = w_hh.data();
        w.b_ih = data(b_ih, {G * w.H}, "bias_ih"), w.b_hh = data(b_hh, {G * w.H}, "bias_hh");
        packed = kernels()->pack(w, 1);
    }
    Packed packed;
};

// x is (T, B, D), or ids (T, B) of a one-hot input; out (T, B, ·) is written from `column` on.
struct Inputs {
    Inputs(const Packed &w, const Maybe<In> &x, const Maybe<Ids> &ids, const Maybe<Ids> &lengths,
           const Maybe<Flags> &reset, const Maybe<In> &h0, const Maybe<In> &c0) {
        const bool table = x && ids;
        if ((!x && !ids) || (ids && ids->ndim() != 2) || (x && x->ndim() != (table ? 2 : 3)))
            throw std::invalid_argument("the input is (T, B, D) numbers, or (T, B) ids, or those of rows of a table");
        scan.weights = &w;
        const auto T = static_cast<int64_t>(ids ? ids->shape(0) : x->shape(0)), B = static_cast<int64_t>(ids ? ids->shape(1) : x->shape(1));
        if (table) scan.table_rows = static_cast<int64_t>(x->shape(0)), expect(*x, {scan.table_rows, w.D}, "the table");
        else if (x) expect(*x, {T, B, w.D}, "the input");
        if (x) scan.x = x->data();
        if (ids) expect_ids(ids->data(), T * B, table ? scan.table_rows : w.D), scan.ids = ids->data();
        expect_lengths(lengths, T, B);
        scan.layout.T = T, scan.layout.B = B, scan.layout.lengths = lengths ? lengths->data() : nullptr;
        if (reset) expect(*reset, {T, B}, "reset"), scan.reset = reset->data();
        scan.h0 = data(h0, {B, w.H}, "h0"), scan.c0 = data(c0, {B, w.H}, "c0");
    }
    Scan scan{};
};

// What backward needs of a forward run; its own copies, but for the input and the output.
struct Saved {
    explicit Saved(const Scan &s) : T(s.layout.T), B(s.layout.B), reverse(s.layout.reverse) {
        const int64_t H = s.weights->H, TB = T * B;
        if (s.layout.lengths) lengths.assign(s.layout.lengths, s.layout.lengths + B);
        if (s.reset) reset.assign(s.reset, s.reset + TB);
        h0.assign(static_cast<size_t>(B * H), 0.0f), c0 = h0;
        if (s.h0) h0.assign(s.h0, s.h0 + B * H);
        if (s.c0) c0.assign(s.c0, s.c0 + B * H);
        gates = Floats(static_cast<size_t>(TB * kept_gates(s.weights->cell, H)));
        cells = Floats(static_cast<size_t>(TB * kept_cells(s.weights->cell, H)));
    }
    int64_t T, B;
    bool reverse;
    std::vector<int64_t> lengths;
    std::vector<uint8_t> reset;
    std::vector<float> h0, c0;
    Floats gates, cells;
};

std::unique_ptr<Saved> scan(const Layer &layer, const Maybe<In> &x, const Maybe<Ids> &ids, const Maybe<Ids> &lengths,
                            const Maybe<Flags> &reset, const Maybe<In> &h0, const Maybe<In> &c0, bool reverse,
                            int threads, const Out &out, int64_t column, const Out &hn, const Maybe<Out> &cn, bool keep) {
    Scan s = Inputs(layer.packed, x, ids, lengths, reset, h0, c0).scan;
    const int64_t H = layer.packed.H, T = s.layout.T, B = s.layout.B;
    if (out.ndim() != 3) throw std::invalid_argument("out is (T, B, at least H)");
    s.out_stride = static_cast<int64_t>(out.shape(2));
    expect(out, {T, B, s.out_stride}, "out");
    if (column < 0 || column + H > s.out_stride) throw std::invalid_argument("out is too narrow");
    expect(hn, {B, H}, "hn");
    if (layer.packed.cell == Cell::lstm) {
        if (!cn) throw std::invalid_argument("cn is missing");
        expect(*cn, {B, H}, "cn"), s.cn = cn->data();
    }
    if (keep && s.table_rows) throw std::invalid_argument("gradients of a table are not computed here");
    s.out = out.data() + column, s.hn = hn.data(), s.layout.reverse = reverse, s.threads = threads;
    const nb::gil_scoped_release others_run;
    std::unique_ptr<Saved> saved;
    if (keep) saved = std::make_unique<Saved>(s), s.keep = true, s.gates = saved->gates.data(), s.cells = saved->cells.data();
    run(s);
    return saved;
}

// A tree of prefixes: `count` nodes a step, the step's nodes one after the other; `parent` says which node each
// goes on from, -1 at step 0, where the state is nought. x (M, D), or a table with ids (M); out (M, H) is written.
void scan_tree(const Layer &layer, const In &x, const Maybe<Ids> &ids, const Ids &count, const Ids &parent, int threads,
               const Out &out) {
    const Packed &w = layer.packed;
    if (count.ndim() != 1 || x.ndim() != 2) throw std::invalid_argument("a tree takes counts (T) and rows (M, D)");
    Rows rows;
    rows.T = static_cast<int64_t>(count.shape(0));
    for (int64_t t = 0; t < rows.T; ++t) {
        if (count.data()[t] < 1) throw std::invalid_argument("every step of a tree has a node");
        rows.count.push_back(count.data()[t]), rows.offset.push_back(rows.M), rows.M += count.data()[t];
    }
    expect(parent, {rows.M}, "parent"), expect(out, {rows.M, w.H}, "out");
    for (int64_t t = 0, m = 0; t < rows.T; ++t)
        for (const int64_t end = m + rows.count[t]; m < end; ++m) {
            const int64_t from = t ? rows.offset[t - 1] : -1, to = t ? rows.offset[t] : 0;
            if (parent.data()[m] < from || parent.data()[m] >= to) throw std::invalid_argument("a parent is not of the step before");
        }
    Forward f{};
    f.table_rows = ids ? static_cast<int64_t>(x.shape(0)) : 0;
    expect(x, {ids ? f.table_rows : rows.M, w.D}, ids ? "the table" : "the input");
    if (ids) expect(*ids, {rows.M}, "ids"), expect_ids(ids->data(), rows.M, f.table_rows), f.ids = ids->data();
    if (!rows.M) return;
    rows.B = rows.count[0];
    const nb::gil_scoped_release others_run;
    const Floats first(static_cast<size_t>(rows.B * w.H));
    std::memset(first.data(), 0, first.size() * sizeof(float));
    f.weights = &w, f.rows = &rows, f.x = x.data(), f.parent = parent.data(), f.h0 = f.c0 = first.data();
    f.out = out.data(), f.threads = threads;
    kernels()->forward(f);
}

// pooled (B, H) of the rows that end at `nodes` (B) of a tree, -1 for one without a step; kind: 0 mean, 1 max, 2 sum.
// A node's value is its row of x, or the row of a table that its id names; t rising, as `pool` has it.
void pool_tree(const In &x, const Maybe<Ids> &ids, const Ids &parent, const Ids &nodes, const Ids &lengths, int kind,
               const Out &pooled) {
    if (x.ndim() != 2 || nodes.ndim() != 1 || parent.ndim() != 1) throw std::invalid_argument("pool_tree takes (M, H) and nodes (B)");
    const auto M = static_cast<int64_t>(parent.shape(0)), B = static_cast<int64_t>(nodes.shape(0)), H = static_cast<int64_t>(x.shape(1));
    if (ids) expect(*ids, {M}, "ids"), expect_ids(ids->data(), M, static_cast<int64_t>(x.shape(0)));
    else expect(x, {M, H}, "x");
    expect(lengths, {B}, "lengths"), expect(pooled, {B, H}, "pooled");
    for (int64_t m = 0; m < M; ++m)
        if (parent.data()[m] < -1 || parent.data()[m] >= m) throw std::invalid_argument("a parent does not stand before its node");
    for (int64_t b = 0; b < B; ++b)
        if (nodes.data()[b] < -1 || nodes.data()[b] >= M) throw std::invalid_argument("a row ends at no node");
    const nb::gil_scoped_release others_run;
    const Kernels &k = *kernels();
    const Floats upto(static_cast<size_t>(M * H));
    const size_t size = static_cast<size_t>(H) * sizeof(float);
    parallel(1, [&](int, int) {
        k.pool_tree(kind, x.data(), ids ? ids->data() : nullptr, parent.data(), M, H, upto.data());
        for (int64_t b = 0; b < B; ++b) {
            float *row = pooled.data() + b * H;
            if (const int64_t node = nodes.data()[b]; node >= 0) std::memcpy(row, upto.data() + node * H, size);
            else std::fill_n(row, H, 0.0f);
            if (kind == 0 && lengths.data()[b] > 0) k.divide(row, static_cast<float>(lengths.data()[b]), H);
        }
    });
}

// Gradients of one scan. `grads`: d_w_ih, d_w_hh, d_b_ih, d_b_hh, d_h0, d_c0 to be written (biases, d_c0 may be None).
void scan_back(const std::string &cell, const std::string &nonlinearity, const In &w_ih, const In &w_hh,
               const Saved &saved, const Maybe<In> &x, const Maybe<Ids> &ids, const In &out, const In &d_out,
               const Maybe<In> &d_hn, const Maybe<In> &d_cn, const Maybe<Out> &d_x, const Out &d_w_ih, const Out &d_w_hh,
               const Maybe<Out> &d_b_ih, const Maybe<Out> &d_b_hh, const Out &d_h0, const Maybe<Out> &d_c0, int threads) {
    Weights w{};
    w.cell = cell_named(cell), w.activation = activation_named(nonlinearity);
    if (w_hh.ndim() != 2 || w_ih.ndim() != 2) throw std::invalid_argument("weights have two dimensions");
    const int64_t G = gates_of(w.cell), T = saved.T, B = saved.B;
    w.H = static_cast<int64_t>(w_hh.shape(1)), w.D = static_cast<int64_t>(w_ih.shape(1));
    const int64_t H = w.H, D = w.D;
    expect(w_ih, {G * H, D}, "weight_ih"), expect(w_hh, {G * H, H}, "weight_hh");
    if (static_cast<int64_t>(saved.h0.size()) != B * H) throw std::invalid_argument("saved by another layer");
    if (x) expect(*x, {T, B, D}, "the input");
    else if (ids) expect(*ids, {T, B}, "ids"), expect_ids(ids->data(), T * B, D);
    else throw std::invalid_argument("the input is missing");
    expect(out, {T, B, H}, "out"), expect(d_out, {T, B, H}, "d_out");
    expect(d_w_ih, {G * H, D}, "d_w_ih"), expect(d_w_hh, {G * H, H}, "d_w_hh"), expect(d_h0, {B, H}, "d_h0");
    if (d_b_ih) expect(*d_b_ih, {G * H}, "d_b_ih");
    if (d_b_hh) expect(*d_b_hh, {G * H}, "d_b_hh");
    if (d_x) expect(*d_x, {T, B, D}, "d_x");
    if (w.cell == Cell::lstm && !d_c0) throw std::invalid_argument("d_c0 is missing");
    if (d_c0) expect(*d_c0, {B, H}, "d_c0");
    w.w_ih = w_ih.data(), w.w_hh = w_hh.data();
    BackScan b{};
    b.weights = &w, b.x = x ? x->data() : nullptr, b.ids = x ? nullptr : ids->data();
    b.layout.T = T, b.layout.B = B, b.layout.reverse = saved.reverse, b.layout.lengths = saved.lengths.empty() ? nullptr : saved.lengths.data();
    b.reset = saved.reset.empty() ? nullptr : saved.reset.data(), b.h0 = saved.h0.data(), b.c0 = saved.c0.data();
    b.gates = saved.gates.data(), b.cells = saved.cells.data();
    b.out = out.data(), b.d_out = d_out.data();
    b.d_hn = data(d_hn, {B, H}, "d_hn"), b.d_cn = data(d_cn, {B, H}, "d_cn");
    b.d_x = d_x && x ? d_x->data() : nullptr;
    b.d_w_ih = d_w_ih.data(), b.d_w_hh = d_w_hh.data();
    b.d_b_ih = d_b_ih ? d_b_ih->data() : nullptr, b.d_b_hh = d_b_hh ? d_b_hh->data() : nullptr;
    b.d_h0 = d_h0.data(), b.d_c0 = d_c0 ? d_c0->data() : nullptr, b.threads = threads;
    const nb::gil_scoped_release others_run;
    run_back(b);
}

// (M, D), (K, D), (K) -> (M, K), written to y
void linear(const In &x, const In &weight, const Maybe<In> &bias, const Out &y, int threads) {
    if (x.ndim() != 2 || weight.ndim() != 2) throw std::invalid_argument("linear takes (M, D) and (K, D)");
    const auto M = static_cast<int64_t>(x.shape(0)), D = static_cast<int64_t>(x.shape(1)), K = static_cast<int64_t>(weight.shape(0));
    expect(weight, {K, D}, "weight"), expect(y, {M, K}, "y");
    const float *b = data(bias, {K}, "bias");
    const nb::gil_scoped_release others_run;
    const Floats panels = kernels()->pack_linear(weight.data(), K, D);
    kernels()->linear(x.data(), M, D, panels.data(), b, K, y.data(), threads);
}

void softmax(const Out &rows, bool logs) {
    if (rows.ndim() != 2) throw std::invalid_argument("softmax takes (M, K)");
    const auto M = static_cast<int64_t>(rows.shape(0)), K = static_cast<int64_t>(rows.shape(1));
    if (K == 0) return;
    const nb::gil_scoped_release others_run;
    (logs ? kernels()->log_softmax : kernels()->softmax)(rows.data(), M, K);
}

// outputs (T, B, H) -> pooled (B, H); kind: 0 mean, 1 max, 2 sum; t rising
void pool(const In &outputs, const Ids &lengths, int kind, const Out &pooled) {
    if (outputs.ndim() != 3) throw std::invalid_argument("pool takes (T, B, H)");
    const auto T = static_cast<int64_t>(outputs.shape(0)), B = static_cast<int64_t>(outputs.shape(1)), H = static_cast<int64_t>(outputs.shape(2));
    expect_lengths(lengths, T, B), expect(pooled, {B, H}, "pooled");
    const nb::gil_scoped_release others_run;
    const Kernels &k = *kernels();
    parallel(1, [&](int, int) {
        const int64_t *n = lengths.data();
        for (int64_t b = 0; b < B; ++b) std::fill_n(pooled.data() + b * H, H, kind == 1 && n[b] ? -INFINITY : 0.0f);
        for (int64_t t = 0; t < T; ++t)
            for (int64_t b = 0; b < B; ++b)
                if (t < n[b]) (kind == 1 ? k.max : k.add)(pooled.data() + b * H, outputs.data() + (t * B + b) * H, H);
        for (int64_t b = 0; b < B; ++b)
            if (kind == 0 && n[b]) k.divide(pooled.data() + b * H, static_cast<float>(n[b]), H);
    });
}

// The gradient of pooling: d_sum (B, H), or d_most (B, H) with x (T, B, H) and its greatest numbers, or both -> d_x (T, B, H).
void pool_back(const Ids &lengths, const Maybe<In> &d_sum, const Maybe<In> &x, const Maybe<In> &most, const Maybe<In> &d_most,
               const Out &d_x, int threads) {
    if (d_x.ndim() != 3) throw std::invalid_argument("d_x is (T, B, H)");
    const auto T = static_cast<int64_t>(d_x.shape(0)), B = static_cast<int64_t>(d_x.shape(1)), H = static_cast<int64_t>(d_x.shape(2));
    expect_lengths(lengths, T, B);
    if (d_most && !(x && most)) throw std::invalid_argument("the gradient of the greatest needs x and its greatest");
    const Pooled p{T, B, H, lengths.data(), data(x, {T, B, H}, "x"), data(most, {B, H}, "most"), data(d_sum, {B, H}, "d_sum"),
                   data(d_most, {B, H}, "d_most"), d_x.data()};
    const nb::gil_scoped_release others_run;
    kernels()->pool_back(p, threads);
}

// pooled (B, E) = the sum of the rows of a table (U, E) that ids (T, B) name, t rising
void pool_table(const In &table, const Ids &ids, const Ids &lengths, const Out &pooled) {
    if (table.ndim() != 2 || ids.ndim() != 2) throw std::invalid_argument("pool_table takes (U, E) and ids (T, B)");
    const auto T = static_cast<int64_t>(ids.shape(0)), B = static_cast<int64_t>(ids.shape(1)), E = static_cast<int64_t>(table.shape(1));
    expect_ids(ids.data(), T * B, static_cast<int64_t>(table.shape(0)));
    expect_lengths(lengths, T, B), expect(pooled, {B, E}, "pooled");
    const nb::gil_scoped_release others_run;
    parallel(1, [&](int, int) {
        for (int64_t b = 0; b < B; ++b) {
            float *row = pooled.data() + b * E;
            std::memset(row, 0, static_cast<size_t>(E) * sizeof(float));
            for (int64_t t = 0; t < lengths.data()[b]; ++t) kernels()->add(row, table.data() + ids.data()[t * B + b] * E, E);
        }
    });
}

Table table_of(const Out &w, const Out &m, const Out &v, const Out &since) {
    if (w.ndim() != 2) throw std::invalid_argument("a table has two dimensions");
    const auto V = static_cast<int64_t>(w.shape(0)), E = static_cast<int64_t>(w.shape(1));
    expect(m, {V, E}, "mean"), expect(v, {V, E}, "square"), expect(since, {V}, "since");
    return {V, E, w.data(), m.data(), v.data(), since.data()};
}

void catch_up_rows(const Out &w, const Out &m, const Out &v, const Out &since, const In &decay, const In &drift, const In &shrink_m,
                   const In &shrink_v, const In &eps, const Ids &ids, int threads) {
    const Table table = table_of(w, m, v, since);
    const auto updates = static_cast<int64_t>(decay.ndim() == 1 ? decay.shape(0) : 0), n = static_cast<int64_t>(ids.size());
    if (updates < 1) throw std::invalid_argument("decay has one number for each update");
    expect(drift, {updates}, "drift"), expect(shrink_m, {updates}, "shrink_mean"), expect(shrink_v, {updates}, "shrink_square"), expect(eps, {updates}, "eps");
    expect_ids(ids.data(), n, table.V);
    for (int64_t i = 0; i < n; ++i)
        if (const float at = since.data()[ids.data()[i]]; !(at >= 0 && at < static_cast<float>(updates)))
            throw std::invalid_argument("a row rests since an update that is not there");
    const nb::gil_scoped_release others_run;
    const Rests rests{updates - 1, decay.data(), drift.data(), shrink_m.data(), shrink_v.data(), eps.data()};
    kernels()->catch_up(table, rests, ids.data(), n, threads);
}

void move_some(const Out &w, const Out &m, const Out &v, const Out &since, float rate, float keep, float beta1, float beta2, float eps,
               const Ids &rows, const In &slopes, int64_t now, int threads) {
    const Table table = table_of(w, m, v, since);
    const auto n = static_cast<int64_t>(rows.size());
    expect(slopes, {n, table.E}, "slopes");
    expect_ids(rows.data(), n, table.V);
    const nb::gil_scoped_release others_run;
    kernels()->move_rows(table, {rate, keep, beta1, beta2, eps}, rows.data(), slopes.data(), n, now, threads);
}

using Places = nb::ndarray<int64_t, nb::c_contig, nb::device::cpu>;

int64_t sum_of_rows(const Ids &ids, const In &slopes, int64_t left_out, const Places &place, const Places &rows, const Out &sums,
                    int threads) {
    const auto n = static_cast<int64_t>(ids.size()), E = static_cast<int64_t>(slopes.ndim() == 2 ? slopes.shape(1) : 0);
    expect(slopes, {n, E}, "slopes"), expect(sums, {n, E}, "sums"), expect(rows, {n}, "rows");
    expect_ids(ids.data(), n, static_cast<int64_t>(place.size()));
    const nb::gil_scoped_release others_run;
    return kernels()->sum_rows(ids.data(), slopes.data(), n, E, left_out, place.data(), rows.data(), sums.data(), threads);
}

using Bits = nb::ndarray<const uint16_t, nb::c_contig, nb::device::cpu>;

Drop drop_of(const Maybe<Bits> &bits, int64_t n, int dropped, float scale) {
    if (bits && static_cast<int64_t>(bits->size()) != n) throw std::invalid_argument("there are 16 bits for each number");
    return {bits ? bits->data() : nullptr, dropped, scale};
}

// y (M, E) = the sum of one row of each table, in the order of the tables; ids (M, tables). With bits, some of it is dropped.
void embed(const std::vector<In> &tables, const Ids &ids, const Out &y, const Maybe<Bits> &bits, int dropped, float scale, int threads) {
    if (tables.empty() || ids.ndim() != 2 || y.ndim() != 2) throw std::invalid_argument("embed takes ids (M, tables)");
    const auto M = static_cast<int64_t>(ids.shape(0)), G = static_cast<int64_t>(ids.shape(1)), E = static_cast<int64_t>(y.shape(1));
    expect(y, {M, E}, "y");
    if (G != static_cast<int64_t>(tables.size())) throw std::invalid_argument("one table for each column of ids");
    std::vector<const float *> rows;
    for (const In &table : tables) {
        if (table.ndim() != 2) throw std::invalid_argument("a table has two dimensions");
        expect(table, {static_cast<int64_t>(table.shape(0)), E}, "table");
        rows.push_back(table.data());
    }
    for (int64_t m = 0; m < M; ++m)
        for (int64_t g = 0; g < G; ++g) expect_ids(ids.data() + m * G + g, 1, static_cast<int64_t>(tables[static_cast<size_t>(g)].shape(0)));
    const Drop mask = drop_of(bits, M * E, dropped, scale);
    const nb::gil_scoped_release others_run;
    kernels()->embed(rows.data(), ids.data(), M, G, E, mask, y.data(), threads);
}

void drop(const In &x, const Out &y, const Bits &bits, int dropped, float scale, int threads) {
    if (x.size() != y.size()) throw std::invalid_argument("x and y differ in size");
    const auto n = static_cast<int64_t>(x.size());
    const Drop mask = drop_of(bits, n, dropped, scale);
    const nb::gil_scoped_release others_run;
    kernels()->drop(mask, x.data(), y.data(), n, threads);
}

// y (M, K) = y * scale + shift, in place
void scale(const Out &y, const In &by, const In &shift) {
    if (y.ndim() != 2) throw std::invalid_argument("scale takes (M, K)");
    const auto M = static_cast<int64_t>(y.shape(0)), K = static_cast<int64_t>(y.shape(1));
    expect(by, {K}, "scale"), expect(shift, {K}, "shift");
    kernels()->scale(y.data(), by.data(), shift.data(), M, K);
}

void map(int which, const In &x, const Out &y) {
    if (x.size() != y.size()) throw std::invalid_argument("x and y differ in size");
    kernels()->map(which, x.data(), y.data(), static_cast<int64_t>(x.size()));
}

Pool pool_named(const std::string &name) {
    if (name == "last") return Pool::last;
    if (name == "mean") return Pool::mean;
    if (name == "max") return Pool::max;
    if (name == "sum") return Pool::sum;
    throw std::invalid_argument("no pooling is called " + name);
}

// The weights of one layer, as Python hands them over: cell, nonlinearity, w_ih, w_hh, b_ih, b_hh.
Packed packed_from(const nb::tuple &t) {
    std::string cell, nonlinearity;
    In w_ih, w_hh;
    Maybe<In> b_ih, b_hh;
    const bool fits = nb::len(t) == 6 && nb::try_cast(t[0], cell) && nb::try_cast(t[1], nonlinearity) && nb::try_cast(t[2], w_ih) &&
                      nb::try_cast(t[3], w_hh) && nb::try_cast(t[4], b_ih) && nb::try_cast(t[5], b_hh);
    if (!fits) throw std::invalid_argument("a layer is cell, nonlinearity and four float32 weights");
    return Layer(cell, nonlinearity, w_ih, w_hh, b_ih, b_hh).packed;
}

// float32 rows of somebody's array, held while this lives. A quarter of what nb::ndarray costs: a step takes less.
class Rows2d {
  public:
    Rows2d(nb::handle array, int64_t rows, int64_t columns, int flags, const char *name) {
        if (PyObject_GetBuffer(array.ptr(), &view_, flags | PyBUF_FORMAT)) throw nb::python_error();
        const bool fits = view_.ndim == 2 && view_.shape[0] == rows && view_.shape[1] == columns;
        if (fits && view_.itemsize == 4 && view_.format && !std::strcmp(view_.format, "f")) return;
        PyBuffer_Release(&view_);
        throw std::invalid_argument(std::string(name) + " is not float32 (" + std::to_string(rows) + ", " + std::to_string(columns) + ")");
    }
    ~Rows2d() { PyBuffer_Release(&view_); }
    Rows2d(const Rows2d &) = delete;
    Rows2d &operator=(const Rows2d &) = delete;
    float *data() const { return static_cast<float *>(view_.buf); }

  private:
    Py_buffer view_;
};

// Fresh arrays (S, K) to answer in: the rows of a larger one, made by the hundred, whose addresses need no asking.
class Answers {
  public:
    struct Answer {
        nb::object array;
        float *numbers;
    };
    Answer next(int64_t S, int64_t K) {
        if (left_.empty()) make(std::max<int64_t>(1, 1024 / (S * K)), S, K);
        nb::object array = std::move(left_.back());
        left_.pop_back();
        return {std::move(array), first_ + static_cast<int64_t>(left_.size()) * S * K};
    }

  private:
    void make(int64_t n, int64_t S, int64_t K) {
        const nb::object all = nb::module_::import_("numpy").attr("empty")(nb::make_tuple(n, S, K), "float32");
        first_ = nb::cast<nb::ndarray<float, nb::c_contig, nb::device::cpu>>(all).data();
        for (const nb::handle array : all) left_.push_back(nb::borrow(array));
    }
    std::vector<nb::object> left_;
    float *first_ = nullptr;
};

// What Python steps with. `as_rows` makes float32 (S, D) of whatever else was given, or says what is wrong with it.
class OwnStepper : public Stepper {
  public:
    OwnStepper(Stepper &&stepper, nb::object as_rows)
        : Stepper(std::move(stepper)), as_rows_(std::move(as_rows)), every_(static_cast<size_t>(sessions())) {
        std::iota(every_.begin(), every_.end(), 0);
    }
    Answers::Answer fresh() { return answers_.next(sessions(), outputs()); }

    nb::object said_to(nb::handle x, bool keep) {
        const Answers::Answer answer = fresh();
        try {
            move(x, answer.numbers, keep);
        } catch (const std::exception &) {
            move(as_rows_(x), answer.numbers, keep);
        }
        return answer.array;
    }

  private:
    void move(nb::handle x, float *answer, bool keep) {
        const Rows2d in(x, sessions(), features(), PyBUF_CONTIG_RO, "x");
        if (keep) step(in.data(), answer);
        else step(in.data(), every_.data(), sessions(), answer, false);
    }
    nb::object as_rows_;
    std::vector<int64_t> every_;
    Answers answers_;
};

std::unique_ptr<OwnStepper> stepper(const nb::list &layers, const std::vector<std::string> &pools, float shortcut,
                                    const In &head, const In &head_bias, int64_t sessions, const nb::object &as_rows) {
    std::vector<Packed> packed;
    for (const nb::handle layer : layers) {
        nb::tuple parts;
        if (!nb::try_cast(layer, parts)) throw std::invalid_argument("a layer is a tuple");
        packed.push_back(packed_from(parts));
    }
    if (packed.empty() || sessions < 1) throw std::invalid_argument("a stepper has at least one layer and one session");
    for (size_t n = 1; n < packed.size(); ++n)
        if (packed[n].D != packed[n - 1].H) throw std::invalid_argument("a layer does not read what the one below gives");
    std::vector<Pool> kinds;
    for (const std::string &name : pools) kinds.push_back(pool_named(name));
    const int64_t H = packed.back().H;
    const int64_t read = kinds.empty() ? H : H * static_cast<int64_t>(kinds.size()) + (shortcut != 0.0f ? packed[0].D : 0);
    if (head.ndim() != 2) throw std::invalid_argument("the head has two dimensions");
    const auto K = static_cast<int64_t>(head.shape(0));
    expect(head, {K, read}, "head.weight"), expect(head_bias, {K}, "head.bias");
    return std::make_unique<OwnStepper>(
        Stepper(std::move(packed), std::move(kinds), shortcut, head.data(), head_bias.data(), K, sessions), as_rows);
}

nb::ndarray<nb::numpy, float, nb::ndim<2>> fresh(int64_t rows, int64_t columns) {
    auto *memory = new float[static_cast<size_t>(rows * columns) + 1];
    const nb::capsule owner(memory, [](void *p) noexcept { delete[] static_cast<float *>(p); });
    return nb::ndarray<nb::numpy, float, nb::ndim<2>>(memory, {static_cast<size_t>(rows), static_cast<size_t>(columns)}, owner);
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define ELMAN_HAS(feature) (__builtin_cpu_supports(feature) != 0)
#else
#define ELMAN_HAS(feature) false
#endif

#if defined(__ARM_NEON) || defined(__aarch64__) || defined(_M_ARM64)
constexpr bool neon = true;  // every 64-bit ARM processor has it
#else
constexpr bool neon = false;
#endif

nb::dict cpu_features() {
    nb::dict features;
    features["avx2"] = ELMAN_HAS("avx2");
    features["fma"] = ELMAN_HAS("fma");
    features["avx512f"] = ELMAN_HAS("avx512f");
    features["neon"] = neon;
    return features;
}

}  // namespace

NB_MODULE(_native, module) {
    nb::set_leak_warnings(false);  // a model may live until the process ends
    module.attr("abi") = abi;
    module.attr("version") = version;
    module.def("cpu_features", &cpu_features, "Which vector instructions this processor has: {name: bool}.");
    module.def("isa", [] { return kernels()->name; }, "The instruction set in use.");
    module.def("isas", &kernels_available, "The instruction sets that this processor has, the best first.");
    module.def("choose", &choose_kernels, "Use the instruction set of this name; False if it is not there.");
    module.def("set_poison", [](bool on) { poison = on; }, "Fill fresh memory with NaN, to prove that nothing reads it.");
    nb::class_<Layer>(module, "Layer")
        .def(nb::init<const std::string &, const std::string &, const In &, const In &, const Maybe<In> &, const Maybe<In> &>(),
             nb::arg().noconvert(), nb::arg(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert().none(),
             nb::arg().noconvert().none());
    nb::class_<Saved>(module, "Saved");
    module.def("scan", &scan, nb::arg(), nb::arg().noconvert().none(), nb::arg().noconvert().none(),
               nb::arg().noconvert().none(), nb::arg().noconvert().none(), nb::arg().noconvert().none(),
               nb::arg().noconvert().none(), nb::arg(), nb::arg(), nb::arg().noconvert(), nb::arg(),
               nb::arg().noconvert(), nb::arg().noconvert().none(), nb::arg());
    module.def("scan_back", &scan_back, nb::arg(), nb::arg(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg(),
               nb::arg().noconvert().none(), nb::arg().noconvert().none(), nb::arg().noconvert(),
               nb::arg().noconvert(), nb::arg().noconvert().none(), nb::arg().noconvert().none(),
               nb::arg().noconvert().none(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert().none(),
               nb::arg().noconvert().none(), nb::arg().noconvert(), nb::arg().noconvert().none(), nb::arg());
    module.def("linear", &linear, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert().none(),
               nb::arg().noconvert(), nb::arg());
    module.def("softmax", &softmax, nb::arg().noconvert(), nb::arg());
    module.def("pool", &pool, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg(), nb::arg().noconvert());
    module.def("pool_back", &pool_back, nb::arg().noconvert(), nb::arg().noconvert().none(), nb::arg().noconvert().none(),
               nb::arg().noconvert().none(), nb::arg().noconvert().none(), nb::arg().noconvert(), nb::arg());
    module.def("pool_table", &pool_table, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert());
    module.def("scan_tree", &scan_tree, nb::arg(), nb::arg().noconvert(), nb::arg().noconvert().none(), nb::arg().noconvert(),
               nb::arg().noconvert(), nb::arg(), nb::arg().noconvert());
    module.def("pool_tree", &pool_tree, nb::arg().noconvert(), nb::arg().noconvert().none(), nb::arg().noconvert(),
               nb::arg().noconvert(), nb::arg().noconvert(), nb::arg(), nb::arg().noconvert());
    module.def("embed", &embed, nb::arg(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg("bits").noconvert() = nb::none(),
               nb::arg("dropped") = 0, nb::arg("scale") = 1.0f, nb::arg("threads") = 1);
    module.def("drop", &drop, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg(), nb::arg(), nb::arg());
    module.def("catch_up", &catch_up_rows, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
               nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
               nb::arg());
    module.def("move_rows", &move_some, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert(),
               nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().noconvert(), nb::arg().noconvert(), nb::arg(), nb::arg());
    module.def("sum_rows", &sum_of_rows, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg(), nb::arg().noconvert(), nb::arg().noconvert(),
               nb::arg().noconvert(), nb::arg());
    module.def("scale", &scale, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().noconvert());
    bind_addresses(module);
    bind_tensors(module);
    module.def("map", &map, nb::arg(), nb::arg().noconvert(), nb::arg().noconvert());
    nb::class_<OwnStepper>(module, "Stepper")
        .def(nb::new_(&stepper))
        .def("step", [](OwnStepper &self, nb::handle x) { return self.said_to(x, true); }, nb::arg("x").none())
        .def("peek", [](OwnStepper &self, nb::handle x) { return self.said_to(x, false); }, nb::arg("x").none())
        .def("step_rows",
             [](OwnStepper &self, nb::handle x, const Ids &rows, nb::handle answer, bool keep) {
                 const auto R = static_cast<int64_t>(rows.size());
                 for (int64_t r = 0; r < R; ++r)
                     if (rows.data()[r] < 0 || rows.data()[r] >= self.sessions()) throw std::invalid_argument("there is no such session");
                 if (R > self.sessions()) throw std::invalid_argument("a session is named twice");
                 const Rows2d in(x, R, self.features(), PyBUF_CONTIG_RO, "x");
                 if (answer.is_none()) return self.step(in.data(), rows.data(), R, nullptr, keep);
                 const Rows2d out(answer, R, self.outputs(), PyBUF_CONTIG, "the answer");
                 self.step(in.data(), rows.data(), R, out.data(), keep);
             },
             nb::arg(), nb::arg().noconvert(), nb::arg().none(), nb::arg())
        .def("look_up_in",
             [](OwnStepper &self, const nb::tuple &tables) {
                 std::vector<Stepper::Table> found;
                 for (const nb::handle table : tables) {
                     In rows;
                     if (!nb::try_cast(table, rows, false) || rows.ndim() != 2) throw std::invalid_argument("a table is float32 (V, E)");
                     const auto V = static_cast<int64_t>(rows.shape(0));
                     expect(rows, {V, self.features()}, "table");
                     found.push_back({rows.data(), V});
                 }
                 self.look_up_in(std::move(found));
             },
             nb::keep_alive<1, 2>())
        .def("read",
             [](OwnStepper &self, const std::vector<int64_t> &ids, const std::optional<std::vector<int64_t>> &ends, bool shares) {
                 const auto &tables = self.tables();
                 if (self.sessions() != 1 || tables.empty()) throw std::invalid_argument("one session with tables reads symbols");
                 for (const auto *row : {&ids, ends ? &*ends : &ids}) {
                     if (row->size() != tables.size()) throw std::invalid_argument("one id for each table");
                     for (size_t g = 0; g < tables.size(); ++g) expect_ids(row->data() + g, 1, tables[g].V);
                 }
                 const Answers::Answer answer = self.fresh();
                 self.read(ids.data(), ends ? ends->data() : nullptr, answer.numbers);
                 if (shares) kernels()->softmax(answer.numbers, 1, self.outputs());
                 return answer.array;
             },
             nb::arg(), nb::arg().none(), nb::arg())
        .def_prop_ro("outputs", &Stepper::outputs)
        .def("reset", [](OwnStepper &self) { self.reset(); })
        .def("reset_one",
             [](OwnStepper &self, int64_t session) {
                 if (session < 0 || session >= self.sessions()) throw std::invalid_argument("there is no such session");
                 self.reset(session);
             })
        .def_prop_ro("state_size", &Stepper::state_size)
        .def_prop_ro("widths", &Stepper::widths)
        .def("get_state",
             [](OwnStepper &self) {
                 auto copy = fresh(1, self.state_size());
                 std::memcpy(copy.data(), self.state(), static_cast<size_t>(self.state_size()) * sizeof(float));
                 return copy;
             })
        .def("set_state",
             [](OwnStepper &self, const In &state) {
                 expect(state, {1, self.state_size()}, "state");
                 std::memcpy(self.state(), state.data(), static_cast<size_t>(self.state_size()) * sizeof(float));
             },
             nb::arg().noconvert());
}
