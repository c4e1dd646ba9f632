#include "ragged.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace elman {

namespace {
constexpr double worth_two_threads = 3e5;  // multiply-adds a call; waking a thread costs some microseconds

int threads_for(int threads, int64_t M, int64_t G, int64_t H, int64_t D) {
    return static_cast<double>(M) * static_cast<double>(G * H * (D + H)) < worth_two_threads ? 1 : std::max(1, threads);
}

int64_t gates_of(Cell cell) { return cell == Cell::rnn ? 1 : cell == Cell::lstm ? 4 : 3; }
}  // namespace

Ragged::Ragged(int64_t T_, int64_t B_, const int64_t *given, bool reverse_)
    : T(T_), B(B_), reverse(reverse_), order(static_cast<size_t>(B_)), lengths(static_cast<size_t>(B_), T_) {
    if (given) std::copy_n(given, B, lengths.begin());
    std::iota(order.begin(), order.end(), 0);
    const bool equal = std::all_of(lengths.begin(), lengths.end(), [&](int64_t n) { return n == lengths[0]; });
    if (!equal)
        std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return lengths[a] > lengths[b]; });
    const int64_t steps = B ? lengths[static_cast<size_t>(order[0])] : 0;
    rows.T = T, rows.B = B;
    rows.count.resize(static_cast<size_t>(steps));
    rows.offset.resize(static_cast<size_t>(steps));
    int64_t alive = B;
    for (int64_t t = 0; t < steps; ++t) {
        while (lengths[static_cast<size_t>(order[static_cast<size_t>(alive - 1)])] <= t) --alive;
        rows.count[static_cast<size_t>(t)] = alive, rows.offset[static_cast<size_t>(t)] = rows.M;
        rows.M += alive;
    }
    as_is = equal;
    rows.backwards = reverse && equal;
}

int64_t Ragged::place(int64_t s, int64_t i) const {
    const int64_t row = order[static_cast<size_t>(i)];
    const int64_t t = reverse && !as_is ? lengths[static_cast<size_t>(row)] - 1 - s : s;
    return t * B + row;
}

template <class T_>
void Ragged::gather(const T_ *from, int64_t n, int64_t stride, T_ *to) const {
    for (int64_t s = 0; s < rows.steps(); ++s)
        for (int64_t i = 0; i < rows.count[static_cast<size_t>(s)]; ++i, to += n)
            std::memcpy(to, from + place(s, i) * stride, static_cast<size_t>(n) * sizeof(T_));
}
template void Ragged::gather(const float *, int64_t, int64_t, float *) const;
template void Ragged::gather(const int64_t *, int64_t, int64_t, int64_t *) const;
template void Ragged::gather(const uint8_t *, int64_t, int64_t, uint8_t *) const;

void Ragged::scatter(const float *from, int64_t n, float *to, int64_t stride) const {
    const size_t bytes = static_cast<size_t>(n) * sizeof(float);
    for (int64_t s = 0; s < rows.steps(); ++s)
        for (int64_t i = 0; i < rows.count[static_cast<size_t>(s)]; ++i, from += n)
            std::memcpy(to + place(s, i) * stride, from, bytes);
    for (int64_t b = 0; b < B; ++b)
        for (int64_t t = lengths[static_cast<size_t>(b)]; t < T; ++t) std::memset(to + (t * B + b) * stride, 0, bytes);
}

void Ragged::gather_rows(const float *from, int64_t n, float *to) const {
    for (int64_t i = 0; i < B; ++i)
        if (from) std::memcpy(to + i * n, from + order[static_cast<size_t>(i)] * n, static_cast<size_t>(n) * sizeof(float));
        else std::fill_n(to + i * n, n, 0.0f);
}

void Ragged::scatter_rows(const float *from, int64_t n, float *to) const {
    for (int64_t i = 0; i < B; ++i)
        std::memcpy(to + order[static_cast<size_t>(i)] * n, from + i * n, static_cast<size_t>(n) * sizeof(float));
}

std::unique_ptr<Saved> run(const Scan &scan, bool keep) {
    const Packed &w = *scan.weights;
    const int64_t H = w.H, D = w.D, B = scan.B;
    const bool has_c = w.cell == Cell::lstm;
    auto saved = std::make_unique<Saved>(Ragged(scan.T, B, scan.lengths, scan.reverse));
    const Ragged &r = saved->ragged;
    const int64_t M = r.rows.M;
    saved->h0 = Floats(static_cast<size_t>(B * H));
    r.gather_rows(scan.h0, H, saved->h0.data());
    if (has_c) saved->c0 = Floats(static_cast<size_t>(B * H)), r.gather_rows(scan.c0, H, saved->c0.data());
    if (scan.reset) saved->reset.resize(static_cast<size_t>(M)), r.gather(scan.reset, 1, 1, saved->reset.data());

    Floats x;
    std::vector<int64_t> ids;
    Forward f{};
    f.weights = &w, f.rows = &r.rows, f.x = scan.x, f.ids = scan.ids, f.table_rows = scan.table_rows;
    if (!r.as_is && scan.x && !scan.ids) x = Floats(static_cast<size_t>(M * D)), r.gather(scan.x, D, D, x.data()), f.x = x.data();
    if (!r.as_is && scan.ids) ids.resize(static_cast<size_t>(M)), r.gather(scan.ids, 1, 1, ids.data()), f.ids = ids.data();
    const bool direct = r.as_is && scan.out_stride == H;
    if (!direct) saved->out = Floats(static_cast<size_t>(M * H));
    saved->out_is_users = direct;
    f.out = direct ? scan.out : saved->out.data();
    f.reset = scan.reset ? saved->reset.data() : nullptr;
    f.h0 = saved->h0.data(), f.c0 = saved->c0.data();
    Floats hn(static_cast<size_t>(B * H)), cn(static_cast<size_t>(has_c ? B * H : 0));
    f.hn = hn.data(), f.cn = cn.data();
    if (keep) {
        // the output is all that Elman's backward needs, but the sums need a place while they are made
        saved->gates = Floats(static_cast<size_t>(w.cell == Cell::rnn ? 0 : M * gate_width(w.cell, H)));
        if (has_c) saved->cells = Floats(static_cast<size_t>(M * padded(H)));
        f.gates = saved->gates.data(), f.cells = saved->cells.data();
    }
    f.threads = threads_for(scan.threads, M, gates_of(w.cell), H, D);
    kernels()->forward(f);
    r.scatter_rows(f.hn, H, scan.hn);
    if (has_c) r.scatter_rows(f.cn, H, scan.cn);
    if (!direct) {
        r.scatter(f.out, H, scan.out, scan.out_stride);
    } else {
        std::fill(scan.out + r.rows.steps() * B * H, scan.out + scan.T * B * H, 0.0f);
    }
    return keep ? std::move(saved) : nullptr;
}

void run_back(const BackScan &scan) {
    const Weights &w = *scan.weights;
    const Saved &saved = *scan.saved;
    const Ragged &r = saved.ragged;
    const int64_t H = w.H, D = w.D, B = r.B, M = r.rows.M;
    const bool has_c = w.cell == Cell::lstm, as_is = r.as_is;
    Floats x, d_out, d_x, d_hn, d_cn, d_h0(static_cast<size_t>(B * H)), d_c0(static_cast<size_t>(has_c ? B * H : 0));
    std::vector<int64_t> ids;
    Backward b{};
    b.weights = &w, b.rows = &r.rows, b.x = scan.x, b.ids = scan.ids, b.d_out = scan.d_out, b.d_x = scan.d_x;
    if (!as_is) {
        if (scan.x) x = Floats(static_cast<size_t>(M * D)), r.gather(scan.x, D, D, x.data()), b.x = x.data();
        if (scan.ids) ids.resize(static_cast<size_t>(M)), r.gather(scan.ids, 1, 1, ids.data()), b.ids = ids.data();
        d_out = Floats(static_cast<size_t>(M * H)), r.gather(scan.d_out, H, H, d_out.data()), b.d_out = d_out.data();
        if (scan.d_x) d_x = Floats(static_cast<size_t>(M * D)), b.d_x = d_x.data();
    }
    b.reset = saved.reset.empty() ? nullptr : saved.reset.data();
    b.h0 = saved.h0.data(), b.c0 = saved.c0.data();
    b.out = saved.out_is_users ? scan.out : saved.out.data();
    b.gates = saved.gates.data(), b.cells = saved.cells.data();
    if (scan.d_hn) d_hn = Floats(static_cast<size_t>(B * H)), r.gather_rows(scan.d_hn, H, d_hn.data()), b.d_hn = d_hn.data();
    if (scan.d_cn) d_cn = Floats(static_cast<size_t>(B * H)), r.gather_rows(scan.d_cn, H, d_cn.data()), b.d_cn = d_cn.data();
    b.d_w_ih = scan.d_w_ih, b.d_w_hh = scan.d_w_hh, b.d_b_ih = scan.d_b_ih, b.d_b_hh = scan.d_b_hh;
    b.d_h0 = d_h0.data(), b.d_c0 = d_c0.data();
    b.threads = threads_for(scan.threads, M, gates_of(w.cell), H, D);
    kernels()->backward(b);
    r.scatter_rows(b.d_h0, H, scan.d_h0);
    if (has_c) r.scatter_rows(b.d_c0, H, scan.d_c0);
    if (!scan.d_x) return;
    if (!as_is) {
        r.scatter(b.d_x, D, scan.d_x, D);
    } else {
        std::fill(scan.d_x + r.rows.steps() * B * D, scan.d_x + r.T * B * D, 0.0f);
    }
}

}  // namespace elman
