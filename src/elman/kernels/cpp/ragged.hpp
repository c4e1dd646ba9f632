// Sequences as a user has them, each with its own length, to and from packed rows.
#pragma once

#include "kernels.hpp"

namespace elman {

// How a user's sequences lie in memory: (T, B, ·), or one step's rows after the other's as a PackedSequence has them.
struct Layout {
    int64_t T = 0, B = 0;
    const int64_t *lengths = nullptr;  // (B) or null: T each; packed: from the longest to the shortest
    bool reverse = false;              // each row is run from its own end to its start
    bool packed = false;               // (M, ·), M = Σ lengths
};

// How B sequences of up to T steps become packed rows.
struct Ragged {
    explicit Ragged(const Layout &layout);

    int64_t T, B;
    bool reverse, packed;
    bool as_is;                     // packed rows are the user's own memory, from step 0 on
    bool in_order;                  // packed row i is the user's row i
    std::vector<int64_t> order;     // packed row i is the user's row order[i]; longest first, stable
    std::vector<int64_t> lengths;   // of the user's rows
    Rows rows;

    int64_t places() const { return packed ? rows.M : T * B; }  // rows of the user's arrays
    // where step s of packed row i stands among the user's rows
    int64_t place(int64_t s, int64_t i) const;
    // user's (·, n) -> (M, n); `stride` floats from one user's row to the next
    template <class T_> void gather(const T_ *from, int64_t n, int64_t stride, T_ *to) const;
    // (M, n) -> user's (·, n); noughts beyond a row's length
    void scatter(const float *from, int64_t n, float *to, int64_t stride) const;
    // (B, n), user's order <-> packed order; scattering to null does nothing
    void gather_rows(const float *from, int64_t n, float *to) const;
    void scatter_rows(const float *from, int64_t n, float *to) const;
    // noughts in the user's (T, B, n) beyond the last step that any row has
    void clear_beyond(float *user, int64_t n) const;
};

// Floats of a step and row that learning keeps for backward: gates and, for LSTM, c.
int64_t kept_gates(Cell cell, int64_t H);
int64_t kept_cells(Cell cell, int64_t H);

// What a run over M rows multiplies, forwards.
double multiply_adds(Cell cell, int64_t M, int64_t D, int64_t H);

// A layer in one direction, all in the user's order. Outputs do not alias inputs, but hn and cn may be h0 and c0.
struct Scan {
    const Packed *weights;
    Layout layout;
    const float *x;           // (T, B, D); or null, or a table (table_rows, D), and then
    const int64_t *ids;       // (T, B), each from 0 to D - 1, or to table_rows - 1
    int64_t table_rows;       // 0 without a table
    const uint8_t *reset;     // (T, B) or null
    const float *h0, *c0;     // (B, H) or null: noughts
    int threads;
    float *out;               // (T, B, ·): H floats in each row of out_stride
    int64_t out_stride;
    float *hn, *cn;           // (B, H); cn: LSTM only
    bool keep;                // for backward: then these are written, M rows of them in packed order
    float *gates, *cells;     // null where the cell keeps none
};
void run(const Scan &scan);
// The same with weights that are packed for this run alone; false: nothing was done, it is sooner done with packed ones.
bool run_at_once(const Weights &weights, const Scan &scan);

struct BackScan {
    const Weights *weights;
    Layout layout;
    const float *x;           // as in the forward run, which these are of
    const int64_t *ids;
    const uint8_t *reset;
    const float *h0, *c0;
    const float *out;               // (T, B, H) contiguous
    const float *gates, *cells;     // read only
    const float *d_out;             // (T, B, H) contiguous, or null: noughts
    const float *d_hn, *d_cn;       // (B, H) or null: noughts
    float *d_x;                     // (T, B, D) or null: not wanted
    float *d_w_ih, *d_w_hh, *d_b_ih, *d_b_hh;  // any may be null
    float *d_h0, *d_c0;             // (B, H) or null
    int threads;
};
void run_back(const BackScan &scan);

}  // namespace elman
