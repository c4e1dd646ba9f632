#include "rows.hpp"

#include <nanobind/stl/vector.h>

#include <vector>

#include "arrays.hpp"
#include "cpp/kernels.hpp"
#include "drop.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

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
               float share, const Ids &rows, const In &slopes, int64_t now, int threads) {
    const Table table = table_of(w, m, v, since);
    const auto n = static_cast<int64_t>(rows.size());
    expect(slopes, {n, table.E}, "slopes");
    expect_ids(rows.data(), n, table.V);
    const nb::gil_scoped_release others_run;
    kernels()->move_rows(table, {rate, keep, beta1, beta2, eps, share}, rows.data(), slopes.data(), n, now, threads);
}

// Each array of w, m and v, which are of one size, by its slopes.
void move_all(const std::vector<Out> &w, const std::vector<Out> &m, const std::vector<Out> &v, const std::vector<In> &slopes, float rate,
              float keep, float beta1, float beta2, float eps, float share, int threads) {
    const auto same = [&](size_t i) { return m[i].size() == w[i].size() && v[i].size() == w[i].size() && slopes[i].size() == w[i].size(); };
    if (m.size() != w.size() || v.size() != w.size() || slopes.size() != w.size()) throw std::invalid_argument("each array has its mean, square and slopes");
    for (size_t i = 0; i < w.size(); ++i)
        if (!same(i)) throw std::invalid_argument("an array and its mean, square and slopes differ in size");
    const nb::gil_scoped_release others_run;
    const Move by{rate, keep, beta1, beta2, eps, share};
    for (size_t i = 0; i < w.size(); ++i)
        kernels()->move(by, slopes[i].data(), w[i].data(), m[i].data(), v[i].data(), static_cast<int64_t>(w[i].size()), threads);
}

int64_t sum_of_rows(const Ids &ids, const In &slopes, int64_t size, int64_t left_out, const Places &rows, const Out &sums, int threads) {
    const auto n = static_cast<int64_t>(ids.size()), E = static_cast<int64_t>(slopes.ndim() == 2 ? slopes.shape(1) : 0);
    expect(slopes, {n, E}, "slopes"), expect(sums, {n, E}, "sums"), expect(rows, {n}, "rows");
    expect_ids(ids.data(), n, size);
    if (n > INT32_MAX) throw std::invalid_argument("so many ids are not summed at once");
    const nb::gil_scoped_release others_run;
    return kernels()->sum_rows(ids.data(), slopes.data(), n, E, left_out, rows.data(), sums.data(), threads);
}

// y (M, E) = the sum of one row of each table, in the order of the tables; ids (M, tables). With bits, some of it is dropped.
void embed(const std::vector<In> &tables, const Ids &ids, const Out &y, const Maybe<Bits> &bits, int dropped, float scale, int threads,
           const Maybe<Ids> &places) {
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
    const Drop mask = drop_of(bits, places, M, E, dropped, scale);
    const nb::gil_scoped_release others_run;
    kernels()->embed(rows.data(), ids.data(), M, G, E, mask, y.data(), threads);
}

// SFC64 (Doty-Humphrey, PractRand) from three seeds, as it begins: the first words, which show them, are passed over.
void random_words(uint64_t a, uint64_t b, uint64_t c, const nb::ndarray<uint64_t, nb::c_contig, nb::device::cpu> &words) {
    const nb::gil_scoped_release others_run;
    uint64_t count = 1;
    const auto next = [&] {
        const uint64_t word = a + b + count++;
        a = b ^ (b >> 11), b = c + (c << 3), c = ((c << 24) | (c >> 40)) + word;
        return word;
    };
    for (int i = 0; i < 12; ++i) next();
    uint64_t *to = words.data();
    for (size_t i = 0; i < words.size(); ++i) to[i] = next();
}

void drop(const In &x, const Out &y, const Bits &bits, int dropped, float scale, int threads) {
    if (x.size() != y.size()) throw std::invalid_argument("x and y differ in size");
    const auto n = static_cast<int64_t>(x.size());
    const Drop mask = drop_of(bits, n, dropped, scale);
    const nb::gil_scoped_release others_run;
    kernels()->drop(mask, x.data(), y.data(), n, threads);
}

double squares(const std::vector<In> &arrays) {
    double total = 0;
    for (const In &array : arrays) total += kernels()->squares(array.data(), static_cast<int64_t>(array.size()));
    return total;
}

}  // namespace

void bind_rows(nb::module_ &module) {
    module.def("embed", &embed, any, just, just, nb::arg("bits").noconvert() = nb::none(), nb::arg("dropped") = 0,
               nb::arg("scale") = 1.0f, nb::arg("threads") = 1, nb::arg("places").noconvert() = nb::none());
    module.def("random_words", &random_words, any, any, any, just);
    module.def("drop", &drop, just, just, just, any, any, any);
    module.def("squares", &squares, any);
    module.def("catch_up", &catch_up_rows, just, just, just, just, just, just, just, just, just, just, any);
    module.def("move_rows", &move_some, just, just, just, just, any, any, any, any, any, any, just, just, any, any);
    module.def("move_all", &move_all, just, just, just, just, any, any, any, any, any, any, any);
    module.def("sum_rows", &sum_of_rows, just, just, any, any, just, just, any);
}
