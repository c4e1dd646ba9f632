#include "layer.hpp"

namespace elman {

namespace {

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

}  // namespace

Weights weights_of(const std::string &cell, const std::string &nonlinearity, const In &w_ih, const In &w_hh) {
    Weights w{};
    w.cell = cell_named(cell), w.activation = activation_named(nonlinearity);
    if (w_hh.ndim() != 2 || w_ih.ndim() != 2) throw std::invalid_argument("weights have two dimensions");
    w.H = static_cast<int64_t>(w_hh.shape(1)), w.D = static_cast<int64_t>(w_ih.shape(1));
    w.w_ih = w_ih.data(), w.w_hh = w_hh.data();
    return w;
}

Layer::Layer(const std::string &cell, const std::string &nonlinearity, const In &w_ih, const In &w_hh,
             const Maybe<In> &b_ih, const Maybe<In> &b_hh) {
    Weights w = weights_of(cell, nonlinearity, w_ih, w_hh);
    if (w.H < 1) throw std::invalid_argument("hidden_size must be at least 1");
    expect_weights(w, w_ih, w_hh, "weight_ih", "weight_hh");
    const int64_t rows = gates_of(w.cell) * w.H;
    w.b_ih = data(b_ih, {rows}, "bias_ih"), w.b_hh = data(b_hh, {rows}, "bias_hh");
    packed = kernels()->pack(w, 1);
}

}  // namespace elman
