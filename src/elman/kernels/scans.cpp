#include "scans.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <cstring>
#include <memory>
#include <vector>

#include "arrays.hpp"
#include "cpp/ragged.hpp"
#include "layer.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

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
    explicit Saved(const Scan &s) : cell(s.weights->cell), T(s.layout.T), B(s.layout.B), H(s.weights->H), reverse(s.layout.reverse) {
        const int64_t TB = T * B;
        if (s.layout.lengths) lengths.assign(s.layout.lengths, s.layout.lengths + B);
        if (s.reset) reset.assign(s.reset, s.reset + TB);
        if (s.h0) h0.assign(s.h0, s.h0 + B * H);
        if (s.c0) c0.assign(s.c0, s.c0 + B * H);
        gates = Floats(static_cast<size_t>(TB * kept_gates(s.weights->cell, H)));
        cells = Floats(static_cast<size_t>(TB * kept_cells(s.weights->cell, H)));
    }

    BackScan back() const {
        BackScan b{};
        b.layout.T = T, b.layout.B = B, b.layout.reverse = reverse, b.layout.lengths = lengths.empty() ? nullptr : lengths.data();
        b.reset = reset.empty() ? nullptr : reset.data();
        b.h0 = h0.empty() ? nullptr : h0.data(), b.c0 = c0.empty() ? nullptr : c0.data();
        b.gates = gates.data(), b.cells = cells.data();
        return b;
    }

    Cell cell;
    int64_t T, B, H;
    bool reverse;
    std::vector<int64_t> lengths;
    std::vector<uint8_t> reset;
    std::vector<float> h0, c0;  // empty: noughts
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

// Gradients of one scan: d_x, d_w_ih, d_w_hh, d_b_ih, d_b_hh, d_h0 and d_c0 are written (d_x, biases and d_c0 may be None).
void scan_back(const std::string &cell, const std::string &nonlinearity, const In &w_ih, const In &w_hh,
               const Saved &saved, const Maybe<In> &x, const Maybe<Ids> &ids, const In &out, const In &d_out,
               const Maybe<In> &d_hn, const Maybe<In> &d_cn, const Maybe<Out> &d_x, const Out &d_w_ih, const Out &d_w_hh,
               const Maybe<Out> &d_b_ih, const Maybe<Out> &d_b_hh, const Out &d_h0, const Maybe<Out> &d_c0, int threads) {
    const Weights w = weights_of(cell, nonlinearity, w_ih, w_hh);
    const int64_t T = saved.T, B = saved.B, H = w.H, D = w.D, rows = gates_of(w.cell) * H;
    expect_weights(w, w_ih, w_hh, "weight_ih", "weight_hh");
    if (saved.cell != w.cell || saved.H != H) throw std::invalid_argument("saved by another layer");
    if (x) expect(*x, {T, B, D}, "the input");
    else if (ids) expect(*ids, {T, B}, "ids"), expect_ids(ids->data(), T * B, D);
    else throw std::invalid_argument("the input is missing");
    expect(out, {T, B, H}, "out"), expect(d_out, {T, B, H}, "d_out");
    expect_weights(w, d_w_ih, d_w_hh, "d_w_ih", "d_w_hh"), expect(d_h0, {B, H}, "d_h0");
    BackScan b = saved.back();
    b.weights = &w, b.x = x ? x->data() : nullptr, b.ids = x ? nullptr : ids->data(), b.out = out.data(), b.d_out = d_out.data();
    b.d_w_ih = d_w_ih.data(), b.d_w_hh = d_w_hh.data(), b.d_h0 = d_h0.data(), b.threads = threads;
    b.d_b_ih = data(d_b_ih, {rows}, "d_b_ih"), b.d_b_hh = data(d_b_hh, {rows}, "d_b_hh");
    float *const slopes = data(d_x, {T, B, D}, "d_x");
    b.d_x = x ? slopes : nullptr;
    if (w.cell == Cell::lstm && !d_c0) throw std::invalid_argument("d_c0 is missing");
    b.d_c0 = data(d_c0, {B, H}, "d_c0"), b.d_hn = data(d_hn, {B, H}, "d_hn"), b.d_cn = data(d_cn, {B, H}, "d_cn");
    const nb::gil_scoped_release others_run;
    run_back(b);
}

Rows steps_of_tree(const Ids &count) {
    Rows rows;
    rows.T = static_cast<int64_t>(count.shape(0));
    for (int64_t t = 0; t < rows.T; ++t) {
        if (count.data()[t] < 1) throw std::invalid_argument("every step of a tree has a node");
        rows.count.push_back(count.data()[t]), rows.offset.push_back(rows.M), rows.M += count.data()[t];
    }
    return rows;
}

void expect_parents(const int64_t *parent, const Rows &rows) {
    for (int64_t t = 0, m = 0; t < rows.T; ++t)
        for (const int64_t end = m + rows.count[t]; m < end; ++m) {
            const int64_t from = t ? rows.offset[t - 1] : -1, to = t ? rows.offset[t] : 0;
            if (parent[m] < from || parent[m] >= to) throw std::invalid_argument("a parent is not of the step before");
        }
}

// A tree of prefixes: `count` nodes a step, the step's nodes one after the other; `parent` says which node each
// goes on from, -1 at step 0, where the state is nought. x (M, D), or a table with ids (M); out (M, H) is written.
void scan_tree(const Layer &layer, const In &x, const Maybe<Ids> &ids, const Ids &count, const Ids &parent, int threads,
               const Out &out) {
    const Packed &w = layer.packed;
    if (count.ndim() != 1 || x.ndim() != 2) throw std::invalid_argument("a tree takes counts (T) and rows (M, D)");
    Rows rows = steps_of_tree(count);
    expect(parent, {rows.M}, "parent"), expect(out, {rows.M, w.H}, "out");
    expect_parents(parent.data(), rows);
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

}  // namespace

void bind_scans(nb::module_ &module) {
    nb::class_<Layer>(module, "Layer")
        .def(nb::init<const std::string &, const std::string &, const In &, const In &, const Maybe<In> &, const Maybe<In> &>(),
             just, any, just, just, maybe, maybe);
    nb::class_<Saved>(module, "Saved");
    module.def("scan", &scan, any, maybe, maybe, maybe, maybe, maybe, maybe, any, any, just, any, just, maybe, any);
    module.def("scan_back", &scan_back, any, any, just, just, any, maybe, maybe, just, just, maybe, maybe, maybe, just, just,
               maybe, maybe, just, maybe, any);
    module.def("scan_tree", &scan_tree, any, just, maybe, just, just, any, just);
}
