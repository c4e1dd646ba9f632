#include "addresses.hpp"

#include <nanobind/stl/vector.h>

#include <numeric>
#include <stdexcept>

#include "cpp/ragged.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

template <class T>
T *at(uintptr_t address) {
    return reinterpret_cast<T *>(address);
}

// The shape of a call: cell (0 rnn, 1 lstm, 2 gru), activation (0 tanh, 1 relu, 2 identity), T, B, D, H, whether the
// input is symbols, reverse, packed (then B is the first step's rows and the lengths are the rows of each step).
struct Shape {
    Shape(int cell, int activation, int64_t T, int64_t B, int64_t D, int64_t H, bool reverse, bool packed, uintptr_t lengths) {
        weights.cell = static_cast<Cell>(cell), weights.activation = static_cast<Activation>(activation);
        weights.D = D, weights.H = H;
        layout.T = T, layout.B = B, layout.reverse = reverse, layout.packed = packed;
        if (!lengths) return;
        const auto *given = at<const int64_t>(lengths);
        if (packed) layout.lengths = (rows = lengths_of(given, T, B)).data();
        else check(given, T, B), layout.lengths = given;
    }
    Shape(const Shape &) = delete;
    Shape &operator=(const Shape &) = delete;

    int64_t steps() const { return layout.packed ? std::accumulate(rows.begin(), rows.end(), int64_t{0}) : layout.T * layout.B; }

    void weigh(uintptr_t w_ih, uintptr_t w_hh, uintptr_t b_ih, uintptr_t b_hh) {
        weights.w_ih = at<const float>(w_ih), weights.w_hh = at<const float>(w_hh);
        weights.b_ih = at<const float>(b_ih), weights.b_hh = at<const float>(b_hh);
    }

    const int64_t *ids(uintptr_t address) const {
        const auto *found = at<const int64_t>(address);
        for (int64_t m = 0; found && m < steps(); ++m) {
            if (layout.lengths && !layout.packed && layout.lengths[m % layout.B] <= m / layout.B) continue;
            if (found[m] < 0 || found[m] >= weights.D)
                throw std::invalid_argument("the symbol " + std::to_string(found[m]) + " is not between 0 and " + std::to_string(weights.D - 1));
        }
        return found;
    }

    Weights weights{};
    Layout layout;
    std::vector<int64_t> rows;

  private:
    static void check(const int64_t *lengths, int64_t T, int64_t B) {
        for (int64_t b = 0; b < B; ++b)
            if (lengths[b] < 0 || lengths[b] > T)
                throw std::invalid_argument("the length " + std::to_string(lengths[b]) + " of row " + std::to_string(b) +
                                            " is not between 0 and " + std::to_string(T) + ", the number of steps");
    }

    static std::vector<int64_t> lengths_of(const int64_t *sizes, int64_t T, int64_t B) {
        std::vector<int64_t> lengths(static_cast<size_t>(B), T);
        for (int64_t t = 0, before = B; t < T; before = sizes[t++]) {
            if (sizes[t] < 1 || sizes[t] > before) throw std::invalid_argument("batch_sizes of a PackedSequence never grow, and begin with its rows");
            for (int64_t b = sizes[t]; b < before; ++b) lengths[static_cast<size_t>(b)] = t;
        }
        return lengths;
    }
};

void lend(uintptr_t region, uintptr_t part, uintptr_t parts) {
    lend_threads({reinterpret_cast<decltype(Lender::region)>(region), reinterpret_cast<decltype(Lender::part)>(part),
                  reinterpret_cast<decltype(Lender::parts)>(parts)});
}

nb::tuple kept(int cell, int64_t H) {
    return nb::make_tuple(kept_gates(static_cast<Cell>(cell), H), kept_cells(static_cast<Cell>(cell), H));
}

}  // namespace

void forward_at(int cell, int activation, int64_t T, int64_t B, int64_t D, int64_t H, bool reverse, bool packed, uintptr_t lengths,
                uintptr_t x, uintptr_t ids, uintptr_t w_ih, uintptr_t w_hh, uintptr_t b_ih, uintptr_t b_hh, uintptr_t h0, uintptr_t c0,
                uintptr_t out, uintptr_t hn, uintptr_t cn, bool keep, uintptr_t gates, uintptr_t cells, int threads) {
    Shape shape(cell, activation, T, B, D, H, reverse, packed, lengths);
    shape.weigh(w_ih, w_hh, b_ih, b_hh);
    const Borrowed borrowed(threads);
    Scan s{};
    s.layout = shape.layout, s.x = at<const float>(x), s.ids = shape.ids(ids), s.h0 = at<const float>(h0), s.c0 = at<const float>(c0);
    s.out = at<float>(out), s.out_stride = H, s.hn = at<float>(hn), s.cn = at<float>(cn);
    s.keep = keep, s.gates = at<float>(gates), s.cells = at<float>(cells), s.threads = borrowed.threads;
    const nb::gil_scoped_release others_run;
    if (run_at_once(shape.weights, s)) return;
    const Packed weights = kernels_for(multiply_adds(shape.weights.cell, shape.steps(), D, H), H, keep)->pack(shape.weights, s.threads);
    s.weights = &weights;
    run(s);
}

void backward_at(int cell, int activation, int64_t T, int64_t B, int64_t D, int64_t H, bool reverse, bool packed, uintptr_t lengths,
                 uintptr_t x, uintptr_t ids, uintptr_t w_ih, uintptr_t w_hh, uintptr_t h0, uintptr_t c0, uintptr_t out, uintptr_t gates,
                 uintptr_t cells, uintptr_t d_out, uintptr_t d_hn, uintptr_t d_cn, uintptr_t d_x, uintptr_t d_w_ih, uintptr_t d_w_hh,
                 uintptr_t d_b_ih, uintptr_t d_b_hh, uintptr_t d_h0, uintptr_t d_c0, int threads) {
    Shape shape(cell, activation, T, B, D, H, reverse, packed, lengths);
    shape.weigh(w_ih, w_hh, 0, 0);
    const Borrowed borrowed(threads);
    BackScan b{};
    b.weights = &shape.weights, b.layout = shape.layout, b.x = at<const float>(x), b.ids = shape.ids(ids);
    b.h0 = at<const float>(h0), b.c0 = at<const float>(c0), b.out = at<const float>(out);
    b.gates = at<const float>(gates), b.cells = at<const float>(cells);
    b.d_out = at<const float>(d_out), b.d_hn = at<const float>(d_hn), b.d_cn = at<const float>(d_cn), b.d_x = at<float>(d_x);
    b.d_w_ih = at<float>(d_w_ih), b.d_w_hh = at<float>(d_w_hh), b.d_b_ih = at<float>(d_b_ih), b.d_b_hh = at<float>(d_b_hh);
    b.d_h0 = at<float>(d_h0), b.d_c0 = at<float>(d_c0), b.threads = borrowed.threads;
    const nb::gil_scoped_release others_run;
    run_back(b);
}

void bind_addresses(nb::module_ &module) {
    module.def("lend_threads", &lend, "Give the kernels somebody's threads: the addresses of three functions of libgomp, or 0.");
    module.def("forward_at", &forward_at, "One layer in one direction; every array by its address, 0 for none. Nothing is checked but values.");
    module.def("backward_at", &backward_at, "The gradients of forward_at, by addresses, 0 for what is not wanted.");
    module.def("kept", &kept, "Floats of a step and row that backward needs: gates, cells.");
}
