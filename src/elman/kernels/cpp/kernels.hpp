// What one instruction set offers to the rest: plain functions over pointers and sizes. No torch, no Python.
//
// Words: T steps, B rows (sequences), D numbers in, H units, M = Σ lengths: the valid steps of all rows.
// "Packed rows" are ordered by step and, within a step, from the longest row to the shortest, so that step t
// is the rows offset[t] ... offset[t] + count[t] - 1 of an (M, ·) array (PackedSequence's own order).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "table.hpp"

namespace elman {

// A callable that is only called while it lives, so that nothing is allocated for it.
class Body {
  public:
    template <class F>
    Body(const F &f) : object_(&f), call_([](const void *o, int part, int parts) { (*static_cast<const F *>(o))(part, parts); }) {}
    void operator()(int part, int parts) const { call_(object_, part, parts); }

  private:
    const void *object_;
    void (*call_)(const void *, int, int);
};

enum class Cell { rnn, lstm, gru };
inline int64_t gates_of(Cell cell) { return cell == Cell::rnn ? 1 : cell == Cell::lstm ? 4 : 3; }
enum class Activation { tanh, relu, identity };

// Memory for floats, aligned to a cache line and not cleared; large blocks are kept for whoever needs as much next, but the
// system may take them. With `poison` (tests) it starts as NaN.
class Floats {
  public:
    Floats() = default;
    explicit Floats(size_t size);
    float *data() const { return data_.get(); }
    size_t size() const { return size_; }

  private:
    struct Free {
        void operator()(float *p) const;
    };
    std::unique_ptr<float, Free> data_;
    size_t size_ = 0;
};
extern bool poison;

// The weights of one layer in one direction as a user holds them: torch's shapes, row-major, contiguous.
struct Weights {
    Cell cell;
    Activation activation;  // of Cell::rnn
    int64_t D, H;
    const float *w_ih;  // (G·H, D)
    const float *w_hh;  // (G·H, H)
    const float *b_ih;  // (G·H) or null
    const float *b_hh;  // (G·H) or null
};

// The same, reordered for the register tiles; owned. Made once, used by any number of threads at once.
struct Packed {
    Cell cell;
    Activation activation;
    int64_t D = 0, H = 0;
    Floats w_ih, w_hh;  // [panel][k][panel width]
    Floats bias;        // fl(b_ih + b_hh), panel by panel; of GRU's n: b_in
    Floats bias_q;      // GRU: b_hn, 16 floats a panel
};

// Which packed rows a step has. `order[i]` is the user's row that stands i-th.
struct Rows {
    int64_t T = 0, B = 0, M = 0;
    bool backwards = false;          // run from the last step to the first (only if every row has T steps)
    std::vector<int64_t> count;      // (steps that any row has)
    std::vector<int64_t> offset;     // (the same)
    int64_t steps() const { return static_cast<int64_t>(count.size()); }
    int64_t time(int64_t s) const { return backwards ? steps() - 1 - s : s; }
};

// Forward over time. Nothing may alias but as said.
struct Forward {
    const Packed *weights;
    const Rows *rows;
    const float *x;        // (M, D); or null, or a table (table_rows, D), and then:
    const int64_t *ids;    // (M): which column of w_ih each row takes (a one-hot input), or which row of the table
    int64_t table_rows;    // 0 without a table; a table's rows are projected once each. Not for backward
    const uint8_t *reset;  // (M) or null: 1 puts the first state back before this step
    const int64_t *parent; // (M) or null: which packed row, of the step before, each goes on from: a tree of
                           // prefixes, forwards, without reset and gates; a step may have any number of rows
    const float *h0;       // (B, H) in packed order; of a tree, (rows of step 0, H)
    const float *c0;       // the same; LSTM only
    bool from_nought;      // whether h0 is known to be noughts
    float *out;            // (M, H): written
    float *hn;             // (B, H) in packed order: written; may be h0 itself;
                           // not written for a tree, whose rows end anywhere
    float *cn;             // the same; LSTM only
    float *gates;          // (M, gate_width) written: what LSTM's and GRU's backward need; null when it does not
    float *cells;          // (M, padded H) written: LSTM's c; null with `gates`
    int threads;
};

// One step of B rows with weights that are packed for it alone. Nothing may alias but hn, cn and h0, c0.
struct Once {
    const Weights *weights;
    int64_t B;
    const float *x;           // (B, D)
    const float *h0, *c0;     // (B, H) or null: noughts; c0: LSTM only
    float *out, *hn, *cn;     // (B, H): written
    float *gates, *cells;     // as `Forward` has them
    int threads;
};

// Backward over time. Gradients are added up from noughts: every output is overwritten.
struct Backward {
    const Weights *weights;
    const Rows *rows;
    const float *x;
    const int64_t *ids;
    const uint8_t *reset;
    const float *h0, *c0;
    bool from_nought;                  // whether h0 is known to be noughts
    const float *out, *gates, *cells;  // of the forward run; read only, so that it can be run again
    const float *d_out;                // (M, H) or null: noughts
    const float *d_hn, *d_cn;          // (B, H) in packed order, or null: noughts
    float *d_x;                        // (M, D) or null: not wanted
    float *d_w_ih, *d_w_hh;            // as the weights, or null: not wanted
    float *d_b_ih, *d_b_hh;            // as the biases, or null
    float *d_h0, *d_c0;                // (B, H) in packed order
    bool first_wanted;                 // whether anybody reads d_h0
    int threads;
};

// The gradients of y = x W' + b: the last three are written.
struct LinearBack {
    int64_t M, D, K;
    const float *x, *w, *d_y;  // (M, D), (K, D), (M, K)
    float *d_x, *d_w, *d_b;    // (M, D), (K, D), (K)
};

// Cross entropy of M rows of K scores, each of which counts by its share.
struct Nll {
    int64_t M, K;
    const float *logits;         // (M, K)
    const int64_t *targets;      // (M) from 0 to K - 1
    const float *share;          // (M)
    const float *class_weights;  // (K) or null
    float smoothing;
    float *slopes;               // (M, K): written
};

struct Kernels {
    const char *name;
    Packed (*pack)(const Weights &, int threads);
    void (*forward)(const Forward &);
    void (*once)(const Once &);
    void (*backward)(const Backward &);
    // One step of S rows: x (S, D), h (S, H) and c (S, padded H; LSTM only) move on. `sums` is a place for
    // S * gate_width floats, `h_next` for S * H; both are overwritten, h_next with the new h.
    void (*step)(const Packed &, int64_t S, const float *x, float *h, float *c, float *sums, float *h_next);
    // y (M, K) = x (M, D) W' + b, each element one chain from b over k rising; packed by pack_linear
    Floats (*pack_linear)(const float *w, int64_t K, int64_t D);
    void (*linear)(const float *x, int64_t M, int64_t D, const float *panels, const float *bias, int64_t K,
                   float *y, int threads);
    void (*linear_back)(const LinearBack &b, int threads);
    // rows of K, in place
    void (*softmax)(float *rows, int64_t M, int64_t K);
    void (*log_softmax)(float *rows, int64_t M, int64_t K);
    double (*nll)(const Nll &loss);
    // over n floats: y += x, y = max(y, x), y /= a, y *= a; over rows of K: y = y * scale + shift
    void (*add)(float *y, const float *x, int64_t n);
    void (*max)(float *y, const float *x, int64_t n);
    void (*divide)(float *y, float by, int64_t n);
    void (*multiply)(float *y, float by, int64_t n);
    void (*scale)(float *y, const float *scale, const float *shift, int64_t M, int64_t K);
    // the activations on their own, for tests: 0 tanh, 1 sigmoid, 2 exp of a number that is not above 0
    void (*map)(int which, const float *x, float *y, int64_t n);
    // upto (M, H): each node's row of x, or x[ids[m]], joined to its parent's (before it, or -1); kind 1: the
    // greater of both, else their sum
    void (*pool_tree)(int kind, const float *x, const int64_t *ids, const int64_t *parent, int64_t M, int64_t H, float *upto);
    // rows (rows.hpp): sums of embeddings, what dropout leaves of n numbers, the gradient of pooling, AdamW's moves
    void (*embed)(const float *const *tables, const int64_t *ids, int64_t M, int64_t G, int64_t E, const Drop &mask, float *y, int threads);
    void (*drop)(const Drop &mask, const float *x, float *y, int64_t n, int threads);
    void (*pool_back)(const Pooled &p, int threads);
    void (*pool_columns)(const Steps &s, const Columns &c, int threads);
    void (*pool_columns_back)(const Steps &s, const ColumnsBack &c, int threads);
    void (*spread)(const Steps &s, const float *d_sum, int64_t stride, float factor, int64_t E, const Drop &mask, float *d_x, int threads);
    double (*squares)(const float *x, int64_t n);
    void (*catch_up)(const Table &table, const Rests &rests, const int64_t *ids, int64_t n, int threads);
    void (*move_rows)(const Table &table, const Move &move, const int64_t *rows, const float *slopes, int64_t n, int64_t now, int threads);
    void (*move)(const Move &move, const float *g, float *w, float *m, float *v, int64_t n, int threads);
    int64_t (*sum_rows)(const int64_t *ids, const float *slopes, int64_t n, int64_t E, int64_t left_out, int64_t *rows, float *sums,
                        int threads);
};

int64_t gate_width(Cell cell, int64_t H);  // floats that `gates` holds for a row
inline int64_t padded(int64_t H) { return (H + 31) / 32 * 32; }

const Kernels *kernels();                     // those in use
// those for one call of that size, H units wide, with or without `gradients`: every choice gives the same bits
const Kernels *kernels_for(double multiply_adds, int64_t H, bool gradients);
bool choose_kernels(const char *name);        // "": the best; false: this machine has none of that name
std::vector<const char *> kernels_available();

// Where the parts of one parallel body wait until all of them have come; what each wrote before, all see after.
class Meeting {
  public:
    void wait(int parts);

  private:
    std::atomic<int> here_{0};
    std::atomic<unsigned> round_{0};
};

// Calls body(part, parts) for every part, on up to `threads` threads, denormals flushed to nought in each.
// Which thread takes which part never enters a result. Nested calls run on their caller alone, simultaneous ones too;
// but on lent threads (`Borrowed`) each of those has a team of its own.
void parallel(int threads, Body body);

// Somebody else's threads: the three functions of libgomp by which a team of them runs one function.
struct Lender {
    void (*region)(void (*)(void *), void *, unsigned threads, unsigned flags) = nullptr;
    int (*part)() = nullptr, (*parts)() = nullptr;
};
void lend_threads(const Lender &lender);

// While it lives, what this thread calls runs on the lent threads, if `threads` says so: below 0 it means as many of those.
class Borrowed {
  public:
    explicit Borrowed(int threads);
    ~Borrowed();
    Borrowed(const Borrowed &) = delete;
    Borrowed &operator=(const Borrowed &) = delete;
    const int threads;  // how many, above 0
};

int64_t half_of_cache();  // bytes of half a core's L2
inline bool stay_near(int64_t floats) { return floats * static_cast<int64_t>(sizeof(float)) <= half_of_cache(); }

// Memory that is written for the first time soon: a large block asks the system for large pages, each of which it clears
// and hands over at once, where hundreds of small ones take longer than the work on them. It may refuse. Not for the largest
// blocks, whose pages a virtual machine may first have to get back from its host.
void ask_for_large_pages(const float *memory, int64_t floats);

}  // namespace elman
