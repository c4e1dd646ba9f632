// Sequences as a user has them, (T, B, ·) with a length for each row, to and from packed rows.
#pragma once

#include "kernels.hpp"

namespace elman {

// How B sequences of up to T steps become packed rows.
struct Ragged {
    Ragged(int64_t T, int64_t B, const int64_t *lengths, bool reverse);

    int64_t T, B;
    bool reverse;
    bool as_is;                     // packed rows are the user's own memory, from step 0 on
    std::vector<int64_t> order;     // packed row i is the user's row order[i]; longest first, stable
    std::vector<int64_t> lengths;   // of the user's rows
    Rows rows;

    // where step s of packed row i stands among the user's T * B
    int64_t place(int64_t s, int64_t i) const;
    // (T, B, n) -> (M, n); `stride` floats from one user's (t, b) to the next
    template <class T_> void gather(const T_ *from, int64_t n, int64_t stride, T_ *to) const;
    // (M, n) -> (T, B, n); noughts beyond a row's length
    void scatter(const float *from, int64_t n, float *to, int64_t stride) const;
    // (B, n), user's order <-> packed order
    void gather_rows(const float *from, int64_t n, float *to) const;
    void scatter_rows(const float *from, int64_t n, float *to) const;
};

// A layer in one direction over (T, B, D), all in the user's order. Outputs do not alias inputs.
struct Scan {
    const Packed *weights;
    int64_t T, B;
    const int64_t *lengths;   // (B) or null: T each
    const float *x;           // (T, B, D); or null, or a table (table_rows, D), and then
    const int64_t *ids;       // (T, B), each from 0 to D - 1, or to table_rows - 1
    int64_t table_rows;       // 0 without a table
    const uint8_t *reset;     // (T, B) or null
    const float *h0, *c0;     // (B, H) or null: noughts
    bool reverse;
    int threads;
    float *out;               // (T, B, ·): H floats at out + (t B + b) * out_stride
    int64_t out_stride;
    float *hn, *cn;           // (B, H); cn: LSTM only
};

// What backward needs of a forward run; with `as_is` rows the user's x and out as well.
struct Saved {
    explicit Saved(Ragged r) : ragged(std::move(r)) {}
    Ragged ragged;
    Floats gates, cells, out, h0, c0;
    std::vector<uint8_t> reset;
    bool out_is_users = false;
};

std::unique_ptr<Saved> run(const Scan &scan, bool keep);

struct BackScan {
    const Weights *weights;
    const Saved *saved;
    const float *x;
    const int64_t *ids;
    const float *out;               // the user's (T, B, H), contiguous; read if saved->out_is_users
    const float *d_out;             // (T, B, H) contiguous
    const float *d_hn, *d_cn;       // (B, H) or null
    float *d_x;                     // (T, B, D) or null
    float *d_w_ih, *d_w_hh, *d_b_ih, *d_b_hh;
    float *d_h0, *d_c0;             // (B, H); d_c0: LSTM only
    int threads;
};
void run_back(const BackScan &scan);

}  // namespace elman
