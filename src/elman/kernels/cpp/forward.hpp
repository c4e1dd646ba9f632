// A layer in one direction over time, forwards, for any cell. Only the product with the state stays inside the loop.
#pragma once

#include <algorithm>
#include <cstring>

#include "few.hpp"
#include "step.hpp"

namespace elman::ELMAN_ISA {

// a row's final state stands where it ends; a row without a step keeps its first
template <class C>
void final_state(const Forward &f, const float *running) {
    const Rows &rows = *f.rows;
    const int64_t H = f.weights->H, Hp = padded(H), B = rows.B;
    constexpr bool has_c = C::kind == Cell::lstm;
    const bool keep = f.gates != nullptr;
    const int64_t alive = rows.steps() ? rows.count[rows.time(0)] : 0;
    if (f.hn != f.h0) copy_rows(f.hn + alive * H, H, f.h0 + alive * H, H, H, B - alive);
    for (int64_t s = 0; s < rows.steps(); ++s) {
        const int64_t t = rows.time(s), count = rows.count[t];
        const int64_t stay = s + 1 < rows.steps() ? rows.count[rows.time(s + 1)] : 0;
        copy_rows(f.hn + stay * H, H, f.out + (rows.offset[t] + stay) * H, H, H, count - stay);
        if (has_c && keep) copy_rows(f.cn + stay * H, H, f.cells + (rows.offset[t] + stay) * Hp, Hp, H, count - stay);
    }
    if (!has_c) return;
    if (!keep && running != f.cn) copy_rows(f.cn, H, running, Hp, H, alive);
    if (f.cn != f.c0) copy_rows(f.cn + alive * H, H, f.c0 + alive * H, H, H, B - alive);
}

constexpr int64_t worth_a_look = 8;  // rows whose product takes much longer than to look whether their weights are finite

inline bool all_finite(const Floats &numbers) {  // in whole vectors: what is padded is nought
    Vec sum = set(0.0f);
    for (size_t k = 0; k < numbers.size(); k += W) sum = fma(load(numbers.data() + k), set(0.0f), sum);
    float lanes[W];
    store(lanes, sum);
    return std::all_of(lanes, lanes + W, [](float lane) { return lane == 0.0f; });
}

// Forward over time, chunk by chunk: the input products of some steps at once, then the steps one after the other.
template <class C>
class Run {
  public:
    Run(const Forward &f, const C &cell)
        : f_(f), w_(*f.weights), rows_(*f.rows), cell_(cell), H_(w_.H), Hp_(padded(w_.H)), panels_(panels_of_units<C>(w_.H)),
          row_size_(panels_ * C::saved), keep_(f.gates != nullptr), past_(keep_ && worth_past(f.gates, rows_.M * row_size_)), mixes_(f.reset || f.parent),
          wanted_(f.table_rows ? rows_.M : rows_ahead_of(row_size_, w_.D * row_size_)),
          widest_(rows_.steps() ? *std::max_element(rows_.count.begin(), rows_.count.end()) : 0),
          by_units_(!mixes_ && worth_units(widest_, panels_ * H_ * C::width)),
          groups_(mixes_ || by_units_ ? 1 : groups_of_rows(widest_, row_size_ + 2 * H_ + w_.D, f.threads)),
          halves_(rows_, groups_),
          own_rows_(groups_ > 1 && worth_own_rows(halves_, w_.D * row_size_)),
          from_nought_(f.from_nought && widest_ >= worth_a_look && all_finite(w_.w_hh)),
          one_pass_(f.x && !f.table_rows && !by_units_),
          projected_(floats(f.table_rows * row_size_)),
          ahead_(floats(keep_ || f.table_rows || own_rows_ ? 0 : most_rows() * row_size_)),
          running_(floats(has_c && !keep_ && (H_ < Hp_ || mixes_) ? std::max(rows_.B, widest_) * Hp_ : 0)),
          first_c_(floats(has_c && H_ < Hp_ ? rows_.B * Hp_ : 0)), mixed_h_(floats(mixes_ ? widest_ * H_ : 0)),
          mixed_c_(floats(mixes_ && has_c ? widest_ * Hp_ : 0)) {}

    void operator()() const {
        begin();
        if (own_rows_)
            parallel(f_.threads, [&](int part, int parts) {
                for (int i = part; i < groups_; i += parts) through_own_rows(halves_.at(i), halves_.at(i + 1));
            });
        for (int64_t s = own_rows_ ? rows_.steps() : 0; s < rows_.steps();) {
            const Chunk chunk = chunk_after(rows_, s, wanted_);
            const bool one_pass = in_one_pass(chunk.narrowest, f_.threads);
            float *sums = keep_ ? f_.gates + chunk.low * row_size_ : one_pass ? nullptr : ahead_.data();
            if (!f_.table_rows && !one_pass)
                parallel(threads_ahead(chunk), [&](int part, int parts) { project<C>(f_, chunk.low, chunk.high, sums, part, parts); });
            if (mixes_) one_by_one(chunk, sums, one_pass);
            else if (by_units_) units_apart(chunk, sums);
            else rows_apart(chunk, sums, one_pass);
            s = chunk.to;
        }
        if (!f_.parent) final_state<C>(f_, running());
    }

  private:
    static constexpr bool has_c = C::kind == Cell::lstm;
    static Floats floats(int64_t n) { return Floats(static_cast<size_t>(n)); }

    // a short chunk's input products are sooner there from one thread, whose cache the steps find them in
    int threads_ahead(const Chunk &chunk) const {
        constexpr int64_t worth_two_threads = 2 << 20;  // multiply-adds
        return (chunk.high - chunk.low) * (f_.ids ? 1 : w_.D) * row_size_ < worth_two_threads ? 1 : f_.threads;
    }

    // whether the inputs of a step of so many rows, shared by so many parts, are met by the tiles that meet its states
    bool in_one_pass(int64_t rows, int parts) const {
        return one_pass_ && worth_one_pass(rows / parts, rows_of(C::vectors), (w_.D + H_) * panels_ * C::width);
    }

    // Gates of some times the second cache have mostly left it when backward comes for them, and to store them there would
    // first fetch what stood in their place. In vectors of whole lines alone: parts of lines would go to memory one by one.
    static bool worth_past(const float *gates, int64_t floats) {
        return W == 16 && C::gates > 1 && !stay_near(floats / 8) && reinterpret_cast<uintptr_t>(gates) % 64 == 0;
    }

    int64_t most_rows() const {  // of a chunk whose input products are taken ahead
        int64_t most = 0;
        for (int64_t s = 0; s < rows_.steps();) {
            const Chunk chunk = chunk_after(rows_, s, wanted_);
            if (!in_one_pass(chunk.narrowest, f_.threads)) most = std::max(most, chunk.high - chunk.low);
            s = chunk.to;
        }
        return most;
    }

    void begin() const {
        if (f_.table_rows)
            parallel(f_.threads, [&](int part, int parts) {
                each_tile<C::vectors>(panels_, f_.table_rows, f_.table_rows, part, parts, Project<C>{w_, f_.x, projected_.data()});
            });
        if (first_c_.size()) {
            std::memset(first_c_.data(), 0, first_c_.size() * sizeof(float));
            copy_rows(first_c_.data(), Hp_, f_.c0, H_, H_, rows_.B);
        }
    }

    float *running() const { return running_.size() ? running_.data() : f_.cn; }  // c of each row, (B, padded H), if it is not kept
    const float *first_c() const { return first_c_.size() ? first_c_.data() : f_.c0; }  // (B, padded H)
    int64_t offset(int64_t s) const { return rows_.offset[rows_.time(s)]; }
    int64_t count(int64_t s) const { return rows_.count[rows_.time(s)]; }

    // where what the rows from `first` on write after step s begins: gates if they are kept, else states; null: nowhere
    const float *written_after(int64_t s, int64_t first) const {
        const bool last = s + 1 == rows_.steps(), of_gates = keep_ && C::gates > 1 && !past_;
        if (last) return of_gates || f_.parent ? nullptr : f_.hn + first * H_;
        const int64_t next = offset(s + 1) + first;
        return of_gates ? f_.gates + next * row_size_ : f_.out + next * H_;
    }

    // the step of `n` rows from `first` on, whose input products begin at `sums` unless they come from a table or are taken
    // in the same pass
    Step<C> step_of(int64_t s, int64_t first, int64_t n, float *sums, bool one_pass) const {
        const int64_t at = offset(s) + first, before = (s ? offset(s - 1) : 0) + first;
        float *c = !has_c ? nullptr : keep_ ? f_.cells + at * Hp_ : running() + first * Hp_;
        const float *x = one_pass ? f_.x + at * w_.D : nullptr;
        Step<C> step{cell_, w_, !keep_ ? Keep::none : one_pass && past_ ? Keep::past : Keep::near, x, (s ? f_.out : f_.h0) + before * H_, sums, nullptr, n, nullptr, c, f_.out + at * H_};
        if (f_.table_rows) step.sums = projected_.data(), step.ids = f_.ids + at;
        if (one_pass && (s || keep_)) step.soon_written = written_after(s, first);  // a layer packed long ago brings its weights first
        if (has_c && keep_ && one_pass && s + 1 < rows_.steps()) step.soon_cells = f_.cells + (offset(s + 1) + first) * Hp_;
        step.from_nought = s == 0 && from_nought_;
        if (has_c) step.c = s == 0 ? first_c() + first * Hp_ : keep_ ? f_.cells + before * Hp_ : c;
        return step;
    }

    // all steps of the rows [first, last), some steps ahead at a time
    void through_own_rows(int64_t first, int64_t last) const {
        const auto mine = [&](int64_t s) { return std::clamp<int64_t>(count(s) - first, 0, last - first); };
        const int64_t most = std::max(std::min(wanted_, rows_.M), last - first);
        const bool all_in_one_pass = in_one_pass(mine(rows_.steps() - 1), 1) && in_one_pass(mine(0), 1);
        const Floats ahead(floats(keep_ || f_.table_rows || all_in_one_pass ? 0 : most * row_size_));
        const auto sums_of = [&](int64_t s, int64_t done) -> float * {
            return f_.table_rows ? nullptr : keep_ ? f_.gates + (offset(s) + first) * row_size_ : ahead.data() + done * row_size_;
        };
        for (int64_t s = 0, next = 0; s < rows_.steps() && mine(s); s = next) {
            if (in_one_pass(mine(s), 1)) {
                float *gates = keep_ ? sums_of(s, 0) : nullptr;
                each_tile<C::vectors>(panels_, mine(s), last - first, 0, 1, step_of(s, first, mine(s), gates, true));
                next = s + 1;
                if (past_) end_stores_past();
                continue;
            }
            for (int64_t done = 0; next < rows_.steps() && done + mine(next) <= most; done += mine(next++))
                if (!f_.table_rows) project<C>(f_, offset(next) + first, offset(next) + first + mine(next), sums_of(next, done), 0, 1);
            for (int64_t now = s, done = 0; now < next; done += mine(now++))
                each_tile<C::vectors>(panels_, mine(now), last - first, 0, 1, step_of(now, first, mine(now), sums_of(now, done), false));
        }
    }

    Step<C> step_at(int64_t s, const Chunk &chunk, float *sums, bool one_pass = false) const {
        return step_of(s, 0, count(s), sums ? sums + (offset(s) - chunk.low) * row_size_ : nullptr, one_pass);
    }

    // rows that go on from their own place never meet: each part runs its own through all steps of the chunk
    void rows_apart(const Chunk &chunk, float *sums, bool one_pass) const {
        parallel(chunk.widest <= 2 ? 1 : f_.threads, [&](int part, int parts) {
            for (int64_t s = chunk.from; s < chunk.to; ++s)
                each_tile<C::vectors>(panels_, count(s), chunk.widest, part, parts, step_at(s, chunk, sums, one_pass));
            if (past_) end_stores_past();
        });
    }

    // few rows and many units: each part has units of its own, and all meet after every step
    void units_apart(const Chunk &chunk, float *sums) const {
        Meeting meeting;
        parallel(f_.threads, [&](int part, int parts) {
            for (int64_t s = chunk.from; s < chunk.to; ++s) {
                const int64_t n = count(s);
                each_tile<C::vectors>(panels_ * part / parts, panels_ * (part + 1) / parts, n, n, 0, 1, step_at(s, chunk, sums));
                meeting.wait(parts);
            }
        });
    }

    // rows that go on from another's place, or anew: step by step
    void one_by_one(const Chunk &chunk, float *sums, bool one_pass) const {
        for (int64_t s = chunk.from; s < chunk.to; ++s) {
            const int64_t n = count(s);
            const int threads = n < worth_sharing ? 1 : f_.threads;
            Step<C> step = step_at(s, chunk, sums, one_pass);
            if ((f_.parent && s) || any_reset(f_.reset, offset(s), n)) mix(step, s, threads);
            parallel(threads, [&](int part, int parts) {
                each_tile<C::vectors>(panels_, n, n, part, parts, step);
                if (past_) end_stores_past();
            });
        }
    }

    // gathers what each row goes on from
    void mix(Step<C> &step, int64_t s, int threads) const {
        const int64_t at = offset(s), n = count(s), before = f_.parent ? rows_.offset[s - 1] : 0;
        parallel(threads, [&](int part, int parts) {
            for (int64_t i = n * part / parts; i < n * (part + 1) / parts; ++i) {
                const bool fresh = f_.reset && f_.reset[at + i];
                const int64_t from = f_.parent ? f_.parent[at + i] - before : i;
                std::memcpy(mixed_h_.data() + i * H_, (fresh ? f_.h0 : step.h) + from * H_, H_ * sizeof(float));
                if (has_c) std::memcpy(mixed_c_.data() + i * Hp_, (fresh ? first_c() : step.c) + from * Hp_, Hp_ * sizeof(float));
            }
        });
        step.h = mixed_h_.data();
        if (has_c) step.c = mixed_c_.data();
    }

    const Forward &f_;
    const Packed &w_;
    const Rows &rows_;
    const C &cell_;
    const int64_t H_, Hp_, panels_, row_size_;
    const bool keep_, past_;   // whether backward follows; whether its gates are stored past the caches
    const bool mixes_;         // whether rows go on from other places than their own
    const int64_t wanted_, widest_;
    const bool by_units_;
    const int groups_;  // of rows
    const Halves halves_;
    const bool own_rows_;  // whether each group of rows goes through all steps on its own
    const bool from_nought_;  // whether the first step's product with the state is left out
    const bool one_pass_;     // whether inputs and states may be met in one pass
    const Floats projected_, ahead_, running_, first_c_, mixed_h_, mixed_c_;
};

template <class C>
void forward(const Forward &f, const C &cell) {
    if constexpr (C::kind == Cell::rnn && W > 1)
        if (has_few_units(f)) {
            few_units<C::units / W>(f, cell);
            return final_state<C>(f, nullptr);
        }
    Run<C>(f, cell)();
}

}  // namespace elman::ELMAN_ISA
