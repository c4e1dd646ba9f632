#include "answers.hpp"

#include "arrays.hpp"
#include "cpp/kernels.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

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

// the gradients of that: d_x (M, D), d_weight (K, D), d_bias (K)
void linear_back(const In &x, const In &weight, const In &d_y, const Out &d_x, const Out &d_weight, const Out &d_bias, int threads) {
    if (x.ndim() != 2 || weight.ndim() != 2) throw std::invalid_argument("linear takes (M, D) and (K, D)");
    const auto M = static_cast<int64_t>(x.shape(0)), D = static_cast<int64_t>(x.shape(1)), K = static_cast<int64_t>(weight.shape(0));
    expect(weight, {K, D}, "weight"), expect(d_y, {M, K}, "d_y");
    expect(d_x, {M, D}, "d_x"), expect(d_weight, {K, D}, "d_weight"), expect(d_bias, {K}, "d_bias");
    const nb::gil_scoped_release others_run;
    kernels()->linear_back({M, D, K, x.data(), weight.data(), d_y.data(), d_x.data(), d_weight.data(), d_bias.data()}, threads);
}

void softmax(const Out &rows, bool logs) {
    if (rows.ndim() != 2) throw std::invalid_argument("softmax takes (M, K)");
    const auto M = static_cast<int64_t>(rows.shape(0)), K = static_cast<int64_t>(rows.shape(1));
    if (K == 0) return;
    const nb::gil_scoped_release others_run;
    (logs ? kernels()->log_softmax : kernels()->softmax)(rows.data(), M, K);
}

// The loss of logits (M, K), and its gradient, written to slopes.
double nll(const In &logits, const Ids &targets, const In &share, const Maybe<In> &class_weights, float smoothing, const Out &slopes) {
    if (logits.ndim() != 2) throw std::invalid_argument("nll takes (M, K)");
    const auto M = static_cast<int64_t>(logits.shape(0)), K = static_cast<int64_t>(logits.shape(1));
    expect(targets, {M}, "targets"), expect(share, {M}, "share"), expect(slopes, {M, K}, "slopes");
    expect_ids(targets.data(), M, K);
    const Nll loss{M, K, logits.data(), targets.data(), share.data(), data(class_weights, {K}, "class_weights"), smoothing, slopes.data()};
    const nb::gil_scoped_release others_run;
    return kernels()->nll(loss);
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

}  // namespace

void bind_answers(nb::module_ &module) {
    module.def("linear", &linear, just, just, maybe, just, any);
    module.def("linear_back", &linear_back, just, just, just, just, just, just, any);
    module.def("softmax", &softmax, just, any);
    module.def("nll", &nll, just, just, just, maybe, any, just);
    module.def("scale", &scale, just, just, just);
    module.def("map", &map, any, just, just);
}
