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
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    read_width_ = pools_.empty() ? H_ : H_ * static_cast<int64_t>(pools_.size()) + (shortcut_ != 0.0f ? D_ : 0);
    head_ = kernels()->pack_linear(head, outputs_, read_width_);
    head_bias_ = Floats(static_cast<size_t>(outputs_));
    std::copy_n(head_bias, outputs_, head_bias_.data());
    int64_t size = 0, widest = 0;
    const auto add = [&](int64_t width, float first) { parts_.push_back({size, width, first}), size += width; };
    for (const Packed &layer : layers_) {
        add(layer.H, 0.0f);
        if (layer.cell == Cell::lstm) add(padded(layer.H), 0.0f);
        widest = std::max(widest, gate_width(layer.cell, layer.H));
    }
    pooled_ = parts_.size();
    if (!pools_.empty()) add(H_, 0.0f), add(H_, lowest), add(shortcut_ != 0.0f ? D_ : 0, 0.0f), add(1, 0.0f);
    state_ = Floats(static_cast<size_t>(sessions * size));
    sums_of_gates_ = Floats(static_cast<size_t>(sessions * widest));
    out_ = Floats(static_cast<size_t>(2 * sessions * std::max(H_, layers_[0].H)));
    read_ = Floats(static_cast<size_t>(sessions * read_width_));
    reset();
}

std::vector<int64_t> Stepper::widths() const {
    std::vector<int64_t> found;
    for (const Part &part : parts_) found.push_back(part.width);
    return found;
}

void Stepper::reset() {
    for (const Part &part : parts_)
        std::fill_n(state_.data() + sessions_ * part.start, sessions_ * part.width, part.first);
}

void Stepper::reset(int64_t s) {
    for (const Part &part : parts_)
        std::fill_n(state_.data() + sessions_ * part.start + s * part.width, part.width, part.first);
}

void Stepper::step(const float *x, float *answer) {
    parallel(1, [&](int, int) { move_on(state_.data(), sessions_, x, answer); });
}

void Stepper::step(const float *x, const int64_t *rows, int64_t R, float *answer, bool keep) {
    if (!some_.size()) some_ = Floats(state_.size());
    const auto exchange = [&](bool back) {
        for (const Part &part : parts_)
            for (int64_t r = 0; r < R; ++r) {
                float *there = state_.data() + sessions_ * part.start + rows[r] * part.width;
                float *here = some_.data() + R * part.start + r * part.width;
                std::memcpy(back ? there : here, back ? here : there, static_cast<size_t>(part.width) * sizeof(float));
            }
    };
    exchange(false);
    parallel(1, [&](int, int) { move_on(some_.data(), R, x, answer); });
    if (keep) exchange(true);
}

void Stepper::look_up_in(std::vector<Table> tables) {
    tables_ = std::move(tables);
    symbol_ = Floats(static_cast<size_t>(D_));
}

void Stepper::embed(const int64_t *ids) {
    for (size_t g = 0; g < tables_.size(); ++g) {
        const float *from = tables_[g].rows + ids[g] * D_;
        if (g) kernels()->add(symbol_.data(), from, D_);
        else std::memcpy(symbol_.data(), from, static_cast<size_t>(D_) * sizeof(float));
    }
}

void Stepper::read(const int64_t *ids, const int64_t *ends, float *answer) {
    if (ends && !some_.size()) some_ = Floats(state_.size());
    parallel(1, [&](int, int) {
        embed(ids);
        move_on(state_.data(), 1, symbol_.data(), ends ? nullptr : answer);
        if (!ends) return;
        std::memcpy(some_.data(), state_.data(), state_.size() * sizeof(float));
        embed(ends);
        move_on(some_.data(), 1, symbol_.data(), answer);
    });
}

void Stepper::move_on(float *block, int64_t S, const float *x, float *answer) {
    const Kernels &k = *kernels();
    const float *in = x;
    const Part *part = parts_.data();
    for (size_t n = 0; n < layers_.size(); ++n) {
        float *out = out_.data() + (n % 2) * (out_.size() / 2);
        float *h = block + S * (part++)->start;
        float *c = layers_[n].cell == Cell::lstm ? block + S * (part++)->start : nullptr;
        k.step(layers_[n], S, in, h, c, sums_of_gates_.data(), out);
        in = out;
    }
    if (!pools_.empty()) pool(block, S, x, in), in = read_.data();
    if (answer) k.linear(in, S, read_width_, head_.data(), head_bias_.data(), outputs_, answer, 1);
}

// the same sums in the same order as pooling a whole sequence: t rising
void Stepper::pool(float *block, int64_t S, const float *x, const float *top) {
    const Kernels &k = *kernels();
    const Part *first = parts_.data() + pooled_;
    float *sums = block + S * first[0].start, *most = block + S * first[1].start;
    float *direct = block + S * first[2].start, *count = block + S * first[3].start;
    k.add(sums, top, S * H_);
    k.max(most, top, S * H_);
    if (shortcut_ != 0.0f) k.add(direct, x, S * D_);
    for (int64_t s = 0; s < S; ++s) {
        count[s] += 1.0f;
        float *to = read_.data() + s * read_width_;
        for (const Pool kind : pools_) {
            const float *from = (kind == Pool::last ? top : kind == Pool::max ? most : sums) + s * H_;
            std::memcpy(to, from, static_cast<size_t>(H_) * sizeof(float));
            if (kind == Pool::mean) k.divide(to, count[s], H_);
            to += H_;
        }
        if (shortcut_ != 0.0f) {
            std::memcpy(to, direct + s * D_, static_cast<size_t>(D_) * sizeof(float));
            k.divide(to, std::sqrt(count[s]), D_);
            k.multiply(to, shortcut_, D_);
        }
    }
}

}  // namespace elman
