// The weights of one layer in one direction, as Python hands them over.
#pragma once

#include <string>

#include "arrays.hpp"
#include "cpp/kernels.hpp"

namespace elman {

// Somebody's weights (G·H, D) and (G·H, H) by the names of their cell and nonlinearity; only `expect_weights` knows their shapes.
Weights weights_of(const std::string &cell, const std::string &nonlinearity, const In &w_ih, const In &w_hh);

// Two arrays have the shapes of a layer's weights: they are these, or their gradients.
template <class A>
void expect_weights(const Weights &w, const A &ih, const A &hh, const char *name_ih, const char *name_hh) {
    const int64_t G = gates_of(w.cell);
    expect(ih, {G * w.H, w.D}, name_ih), expect(hh, {G * w.H, w.H}, name_hh);
}

// A layer in one direction with its own copy of the weights, packed.
struct Layer {
    Layer(const std::string &cell, const std::string &nonlinearity, const In &w_ih, const In &w_hh,
          const Maybe<In> &b_ih, const Maybe<In> &b_hh);
    Packed packed;
};

}  // namespace elman
