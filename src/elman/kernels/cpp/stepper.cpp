#include "stepper.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace elman {

Stepper::Stepper(std::vector<Packed> layers, std::vector<Pool> pools, float shortcut, const float *head,
                 const float *head_bias, int64_t outputs, int64_t sessions)
    : layers_(std::move(layers)), pools_(std::move(pools)), shortcut_(shortcut), outputs_(outputs),
      sessions_(sessions), D_(layers_[0].D), H_(layers_.back().H) {
    const int64_t S = sessions_;
    const int64_t read = pools_.empty() ? H_ : H_ * static_cast<int64_t>(pools_.size()) + (shortcut_ != 0.0f ? D_ : 0);
    head_ = kernels()->pack_linear(head, outputs_, read);
    head_bias_ = Floats(static_cast<size_t>(outputs_));
    std::copy_n(head_bias, outputs_, head_bias_.data());
    int64_t size = 0, widest = 0;
    for (const Packed &layer : layers_) {
        size += S * (layer.H + (layer.cell == Cell::lstm ? padded(layer.H) : 0));
        widest = std::max(widest, gate_width(layer.cell, layer.H));
    }
    sums_of_gates_ = Floats(static_cast<size_t>(S * widest));
    const int64_t pooled = pools_.empty() ? 0 : S * (2 * H_ + D_ + 1);
    state_ = Floats(static_cast<size_t>(size + pooled));
    float *at = state_.data();
    for (const Packed &layer : layers_) {
        const int64_t one = S * layer.H;
        places_.push_back({at, layer.cell == Cell::lstm ? at + one : nullptr});
        at += one + (layer.cell == Cell::lstm ? S * padded(layer.H) : 0);
    }
    if (pooled) sums_ = at, most_ = at + S * H_, direct_ = at + 2 * S * H_, count_ = direct_ + S * D_;
    out_ = Floats(static_cast<size_t>(2 * S * std::max(H_, layers_[0].H)));
    read_ = Floats(static_cast<size_t>(S * read));
    reset();
}

void Stepper::reset() {
    std::fill_n(state_.data(), state_.size(), 0.0f);
    if (most_) std::fill_n(most_, sessions_ * H_, -std::numeric_limits<float>::infinity());
}

void Stepper::reset(int64_t s) {
    for (size_t n = 0; n < layers_.size(); ++n) {
        std::fill_n(places_[n].h + s * layers_[n].H, layers_[n].H, 0.0f);
        const int64_t width = padded(layers_[n].H);
        if (places_[n].c) std::fill_n(places_[n].c + s * width, width, 0.0f);
    }
    if (!sums_) return;
    std::fill_n(sums_ + s * H_, H_, 0.0f);
    std::fill_n(most_ + s * H_, H_, -std::numeric_limits<float>::infinity());
    std::fill_n(direct_ + s * D_, D_, 0.0f);
    count_[s] = 0.0f;
}

void Stepper::step(const float *x, float *answer) {
    parallel(1, [&](int, int) { move_on(x, answer); });
}

void Stepper::move_on(const float *x, float *answer) {
    const Kernels &k = *kernels();
    const int64_t S = sessions_;
    const float *in = x;
    for (size_t n = 0; n < layers_.size(); ++n) {
        float *out = out_.data() + (n % 2) * (out_.size() / 2);
        k.step(layers_[n], S, in, places_[n].h, places_[n].c, sums_of_gates_.data(), out);
        in = out;
    }
    if (!pools_.empty()) pool(x, in), in = read_.data();
    const int64_t read = static_cast<int64_t>(read_.size()) / S;
    k.linear(in, S, read, head_.data(), head_bias_.data(), outputs_, answer, 1);
}

// the same sums in the same order as pooling a whole sequence: t rising
void Stepper::pool(const float *x, const float *top) {
    const Kernels &k = *kernels();
    const int64_t S = sessions_, read = static_cast<int64_t>(read_.size()) / S;
    k.add(sums_, top, S * H_);
    k.max(most_, top, S * H_);
    if (shortcut_ != 0.0f) k.add(direct_, x, S * D_);
    for (int64_t s = 0; s < S; ++s) {
        count_[s] += 1.0f;
        float *to = read_.data() + s * read;
        for (const Pool kind : pools_) {
            const float *from = (kind == Pool::last ? top : kind == Pool::max ? most_ : sums_) + s * H_;
            std::memcpy(to, from, static_cast<size_t>(H_) * sizeof(float));
            if (kind == Pool::mean) k.divide(to, count_[s], H_);
            to += H_;
        }
        if (shortcut_ != 0.0f) {
            std::memcpy(to, direct_ + s * D_, static_cast<size_t>(D_) * sizeof(float));
            k.divide(to, std::sqrt(count_[s]), D_);
            k.multiply(to, shortcut_, D_);
        }
    }
}

}  // namespace elman
