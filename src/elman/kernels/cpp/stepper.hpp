// One step at a time: packed weights and the state of S sessions, every layer and the head in one call.
#pragma once

#include <string>

#include "kernels.hpp"

namespace elman {

// What stands between the top layer and the head of a classifier; none of it: the head reads every output.
enum class Pool { last, mean, max, sum };

class Stepper {
  public:
    Stepper(std::vector<Packed> layers, std::vector<Pool> pools, float shortcut, const float *head,
            const float *head_bias, int64_t outputs, int64_t sessions);

    int64_t features() const { return layers_[0].D; }
    int64_t outputs() const { return outputs_; }
    int64_t sessions() const { return sessions_; }
    int64_t state_size() const { return static_cast<int64_t>(state_.size()); }

    // x (S, D) -> answer (S, outputs); the state moves on
    void step(const float *x, float *answer);
    void reset();               // every session to noughts
    void reset(int64_t session);
    float *state() { return state_.data(); }  // all that is carried, as one block of state_size() floats

  private:
    struct Place {
        float *h, *c;
    };
    void move_on(const float *x, float *answer);
    void pool(const float *x, const float *top);

    std::vector<Packed> layers_;
    std::vector<Pool> pools_;
    float shortcut_;
    Floats head_, head_bias_;
    int64_t outputs_, sessions_, D_, H_;
    Floats state_, out_, read_, sums_of_gates_;
    std::vector<Place> places_;
    float *sums_ = nullptr, *most_ = nullptr, *direct_ = nullptr, *count_ = nullptr;
};

}  // namespace elman
