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
    std::vector<int64_t> widths() const;  // the floats of one session in each array of the state, in their order

    // x (S, D) -> answer (S, outputs); the state moves on
    void step(const float *x, float *answer);
    // the same for R of the sessions, each named once: x (R, D) -> answer (R, outputs), null if none is wanted;
    // without `keep` every state stays what it was
    void step(const float *x, const int64_t *rows, int64_t R, float *answer, bool keep);
    // a table (V, features()) for each column of a symbol's ids; somebody else's, who must keep them
    struct Table {
        const float *rows;
        int64_t V;
    };
    void look_up_in(std::vector<Table> tables);
    const std::vector<Table> &tables() const { return tables_; }
    // session 0 reads a symbol by its ids, one for each table -> answer (outputs). With `ends` a text's end is
    // read behind it to answer, and the state stays the one before the end.
    void read(const int64_t *ids, const int64_t *ends, float *answer);
    void reset();               // every session to noughts
    void reset(int64_t session);
    float *state() { return state_.data(); }  // all that is carried, as one block of state_size() floats

  private:
    // one array of the state: session s of S has its floats at block + S * start + s * width
    struct Part {
        int64_t start, width;
        float first;
    };
    void move_on(float *block, int64_t S, const float *x, float *answer);
    void embed(const int64_t *ids);
    void pool(float *block, int64_t S, const float *x, const float *top);

    std::vector<Packed> layers_;
    std::vector<Pool> pools_;
    float shortcut_;
    Floats head_, head_bias_;
    int64_t outputs_, sessions_, D_, H_, read_width_;
    Floats state_, some_, out_, read_, sums_of_gates_, symbol_;
    std::vector<Table> tables_;
    std::vector<Part> parts_;  // h of each layer, and c behind it; then sums, maxima, summed inputs and counts
    size_t pooled_ = 0;        // which of them is the first of those
};

}  // namespace elman
