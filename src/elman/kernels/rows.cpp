#include "rows.hpp"

#include <nanobind/stl/vector.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "arrays.hpp"
#include "cpp/kernels.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

using Places = nb::ndarray<int64_t, nb::c_contig, nb::device::cpu>;
using Bits = nb::ndarray<const uint16_t, nb::c_contig, nb::device::cpu>;

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

Drop drop_of(const Maybe<Bits> &bits, int64_t n, int dropped, float scale) {
    if (bits && static_cast<int64_t>(bits->size()) != n) throw std::invalid_argument("there are 16 bits for each number");
    return {bits ? bits->data() : nullptr, dropped, scale};
}

// The same for M rows of E numbers that stand elsewhere among those of the bits.
Drop drop_of(const Maybe<Bits> &bits, const Maybe<Ids> &places, int64_t M, int64_t E, int dropped, float scale) {
    if (!bits || !places) return drop_of(bits, M * E, dropped, scale);
    expect(*places, {M}, "places"), expect_ids(places->data(), M, E ? static_cast<int64_t>(bits->size()) / E : 0);
    return {bits->data(), dropped, scale, places->data()};
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

// Packed rows: count (T) never grows and begins with at most B, the rows of `order`.
struct Packing {
    Packing(const Ids &count, const Ids &order) : offset(count.size()) {
        if (count.ndim() != 1 || order.ndim() != 1) throw std::invalid_argument("packed rows have counts (T) and an order (B)");
        steps.T = static_cast<int64_t>(count.size()), steps.B = static_cast<int64_t>(order.size()), steps.M = 0;
        for (int64_t t = 0, before = steps.B; t < steps.T; before = count.data()[t++]) {
            if (count.data()[t] < 0 || count.data()[t] > before) throw std::invalid_argument("the rows of a step never grow");
            offset[static_cast<size_t>(t)] = steps.M, steps.M += count.data()[t];
        }
        expect_ids(order.data(), steps.B, steps.B);
        steps.count = count.data(), steps.offset = offset.data(), steps.order = order.data();
    }
    Packing(const Packing &) = delete;
    Packing &operator=(const Packing &) = delete;
    std::vector<int64_t> offset;
    Steps steps{};
};

// lengths (B) -> order (B) from the longest to the shortest, count (T) of rows that each step has, places (M) t B + b of
// each packed row; T is the greatest length, M the sum of all.
void pack(const Ids &lengths, const Places &order, const Places &count, const Places &places) {
    const auto B = static_cast<int64_t>(lengths.size()), T = static_cast<int64_t>(count.size());
    expect_lengths(lengths, T, B), expect(order, {B}, "order"), expect(count, {T}, "count");
    std::vector<int64_t> next(static_cast<size_t>(T + 1), 0);  // rows longer than t
    for (int64_t b = 0; b < B; ++b)
        for (int64_t t = 0; t < lengths.data()[b]; ++t) ++next[static_cast<size_t>(t)];
    std::copy_n(next.data(), T, count.data());
    if (static_cast<int64_t>(places.size()) != std::accumulate(next.begin(), next.end(), int64_t{0})) throw std::invalid_argument("there is a place for each step");
    for (int64_t b = 0; b < B; ++b) order.data()[next[static_cast<size_t>(lengths.data()[b])]++] = b;
    int64_t *to = places.data();
    for (int64_t t = 0; t < T; ++t)
        for (int64_t i = 0; i < count.data()[t]; ++i) *to++ = t * B + order.data()[i];
}

// The ids of packed rows, (M, G) and (G, M): those of inputs (B, T, G), nought where a chance (hidden columns, T, B) is
// below the column's rate; a column of rate nought has no chances.
void pack_ids(const Ids &inputs, const Ids &places, const In &rates, const In &chances, const Places &ids, const Places &columns) {
    if (inputs.ndim() != 3) throw std::invalid_argument("ids are (B, T, G)");
    const auto B = static_cast<int64_t>(inputs.shape(0)), T = static_cast<int64_t>(inputs.shape(1)), G = static_cast<int64_t>(inputs.shape(2));
    const auto M = static_cast<int64_t>(places.size());
    expect(places, {M}, "places"), expect_ids(places.data(), M, T * B), expect(rates, {G}, "rates");
    expect(ids, {M, G}, "ids"), expect(columns, {G, M}, "columns");
    const int64_t hidden = G - std::count(rates.data(), rates.data() + G, 0.0f);
    expect(chances, {hidden, T, B}, "chances");
    for (int64_t m = 0; m < M; ++m) {
        const int64_t place = places.data()[m], *from = inputs.data() + (place % B * T + place / B) * G;
        const float *chance = chances.data() + place;
        for (int64_t g = 0; g < G; ++g) {
            const float rate = rates.data()[g];
            const bool kept = rate == 0.0f || *chance >= rate;
            if (rate != 0.0f) chance += T * B;
            ids.data()[m * G + g] = columns.data()[g * M + m] = kept ? from[g] : 0;
        }
    }
}

// The columns of y (B, ·) from `at` on that take H numbers; none if `at` is below 0.
template <class A>
auto columns(const A &y, int64_t B, int64_t H, int64_t at) -> decltype(y.data()) {
    if (at < 0) return nullptr;
    if (y.ndim() != 2 || static_cast<int64_t>(y.shape(0)) != B || at + H > static_cast<int64_t>(y.shape(1)))
        throw std::invalid_argument("the pooled have too few columns");
    return y.data() + at;
}

// x (M, H) -> columns of y (B, ·): its mean, greatest, factor Σ x / √length over time
void pool_columns(const In &x, const Ids &count, const Ids &order, const Out &y, int64_t mean, int64_t most, int64_t sum, float factor,
                  int threads) {
    const Packing p(count, order);
    const int64_t H = x.ndim() == 2 ? static_cast<int64_t>(x.shape(1)) : 0, B = p.steps.B;
    expect(x, {p.steps.M, H}, "x");
    const Columns c{x.data(), H, static_cast<int64_t>(y.shape(1)), columns(y, B, H, mean), columns(y, B, H, most), columns(y, B, H, sum), factor};
    const nb::gil_scoped_release others_run;
    kernels()->pool_columns(p.steps, c, threads);
}

// d_x (M, H) of the mean and the greatest, whose numbers stand in y and gradients in d_y
void pool_columns_back(const In &x, const Ids &count, const Ids &order, const In &y, const In &d_y, int64_t mean, int64_t most,
                       const Out &d_x, int threads) {
    const Packing p(count, order);
    const int64_t H = x.ndim() == 2 ? static_cast<int64_t>(x.shape(1)) : 0, B = p.steps.B;
    expect(x, {p.steps.M, H}, "x"), expect(d_x, {p.steps.M, H}, "d_x");
    if (y.ndim() != 2 || d_y.ndim() != 2 || y.shape(1) != d_y.shape(1)) throw std::invalid_argument("the pooled and their gradients differ in shape");
    const ColumnsBack c{x.data(), H, static_cast<int64_t>(y.shape(1)), columns(y, B, H, most), columns(d_y, B, H, mean), columns(d_y, B, H, most), d_x.data()};
    const nb::gil_scoped_release others_run;
    kernels()->pool_columns_back(p.steps, c, threads);
}

// d_x (M, E), in place: what factor Σ x / √length gives it is added, and then dropped what was dropped of x
void spread(const Out &d_x, const Ids &count, const Ids &order, const In &d_y, int64_t sum, float factor, const Maybe<Bits> &bits,
            int dropped, float scale, const Maybe<Ids> &places, int threads) {
    const Packing p(count, order);
    const int64_t E = d_x.ndim() == 2 ? static_cast<int64_t>(d_x.shape(1)) : 0;
    expect(d_x, {p.steps.M, E}, "d_x");
    const float *d_sum = columns(d_y, p.steps.B, E, sum);
    const Drop mask = drop_of(bits, places, p.steps.M, E, dropped, scale);
    const nb::gil_scoped_release others_run;
    kernels()->spread(p.steps, d_sum, sum < 0 ? 0 : static_cast<int64_t>(d_y.shape(1)), factor, E, mask, d_x.data(), threads);
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
    module.def("pack", &pack, just, just, just, just);
    module.def("pack_ids", &pack_ids, just, just, just, just, just, just);
    module.def("pool_columns", &pool_columns, just, just, just, just, any, any, any, any, any);
    module.def("pool_columns_back", &pool_columns_back, just, just, just, just, just, any, any, just, any);
    module.def("spread", &spread, just, just, just, just, any, any, maybe, any, any, maybe, any);
    module.def("squares", &squares, any);
    module.def("catch_up", &catch_up_rows, just, just, just, just, just, just, just, just, just, just, any);
    module.def("move_rows", &move_some, just, just, just, just, any, any, any, any, any, any, just, just, any, any);
    module.def("move_all", &move_all, just, just, just, just, any, any, any, any, any, any, any);
    module.def("sum_rows", &sum_of_rows, just, just, any, any, just, just, any);
}
