#include "pooling.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "arrays.hpp"
#include "cpp/kernels.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

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

}  // namespace

void bind_pooling(nb::module_ &module) {
    module.def("pool", &pool, just, just, any, just);
    module.def("pool_back", &pool_back, just, maybe, maybe, maybe, maybe, just, any);
    module.def("pool_table", &pool_table, just, just, just, just);
    module.def("pool_tree", &pool_tree, just, maybe, just, just, just, any, just);
}
