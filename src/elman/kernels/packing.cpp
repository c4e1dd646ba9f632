#include "packing.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "arrays.hpp"
#include "cpp/kernels.hpp"
#include "drop.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

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

}  // namespace

void bind_packing(nb::module_ &module) {
    module.def("pack", &pack, just, just, just, just);
    module.def("pack_ids", &pack_ids, just, just, just, just, just, just);
    module.def("pool_columns", &pool_columns, just, just, just, just, any, any, any, any, any);
    module.def("pool_columns_back", &pool_columns_back, just, just, just, just, just, any, any, just, any);
    module.def("spread", &spread, just, just, just, just, any, any, maybe, any, any, maybe, any);
}
