#include "ragged.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace elman {

namespace {
// Threads for one call: waking one costs some microseconds. Vectors are whole ones, whatever H is, and an activation takes
// as long as some thirty multiply-adds.
int threads_for(int threads, Cell cell, int64_t M, int64_t D, int64_t H) {
    constexpr int64_t activation = 30, worth_two_threads = 600000;  // some ten microseconds
    const int64_t lanes = (H + 15) / 16 * 16, work = M * gates_of(cell) * lanes * (D + H + activation);
    return work < worth_two_threads ? 1 : std::max(1, threads);
}

}  // namespace

Ragged::Ragged(const Layout &l)
    : T(l.T), B(l.B), reverse(l.reverse), packed(l.packed), order(static_cast<size_t>(B)), lengths(static_cast<size_t>(B), T) {
    if (l.lengths) std::copy_n(l.lengths, B, lengths.begin());
    std::iota(order.begin(), order.end(), 0);
    const bool equal = std::all_of(lengths.begin(), lengths.end(), [&](int64_t n) { return n == lengths[0]; });
    if (!equal && !packed)
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
    as_is = equal || (packed && !reverse);
    in_order = std::is_sorted(order.begin(), order.end());
    rows.backwards = reverse && equal;
}

int64_t Ragged::place(int64_t s, int64_t i) const {
    const int64_t row = order[static_cast<size_t>(i)];
    const int64_t t = reverse && !as_is ? lengths[static_cast<size_t>(row)] - 1 - s : s;
    return packed ? rows.offset[static_cast<size_t>(t)] + i : t * B + row;
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
    for (int64_t b = 0; b < B && !packed; ++b)
        for (int64_t t = lengths[static_cast<size_t>(b)]; t < T; ++t) std::memset(to + (t * B + b) * stride, 0, bytes);
}

void Ragged::gather_rows(const float *from, int64_t n, float *to) const {
    for (int64_t i = 0; i < B; ++i)
        if (from) std::memcpy(to + i * n, from + order[static_cast<size_t>(i)] * n, static_cast<size_t>(n) * sizeof(float));
        else std::fill_n(to + i * n, n, 0.0f);
}

void Ragged::scatter_rows(const float *from, int64_t n, float *to) const {
    for (int64_t i = 0; i < B && to; ++i)
        std::memcpy(to + order[static_cast<size_t>(i)] * n, from + i * n, static_cast<size_t>(n) * sizeof(float));
}

void Ragged::clear_beyond(float *user, int64_t n) const {
    if (!packed) std::fill(user + rows.steps() * B * n, user + T * B * n, 0.0f);
}

int64_t kept_gates(Cell cell, int64_t H) { return cell == Cell::rnn ? 0 : gate_width(cell, H); }
int64_t kept_cells(Cell cell, int64_t H) { return cell == Cell::lstm ? padded(H) : 0; }

namespace {

// A state (B, n) that is read in packed order: the user's own memory where that is its order too, else a copy.
class StateRead {
  public:
    StateRead(const Ragged &r, int64_t n, const float *user, bool noughts_for_none)
        : own_(static_cast<size_t>((user ? !r.in_order : noughts_for_none) ? r.B * n : 0)), data(own_.size() ? own_.data() : user) {
        if (own_.size()) r.gather_rows(user, n, own_.data());
    }

  private:
    Floats own_;

  public:
    const float *data;
};

// A state (B, n) that is written in packed order, in the user's own memory where that is its order too.
class StateWritten {
  public:
    StateWritten(const Ragged &r, int64_t n, float *user)
        : r_(r), n_(n), user_(user), own_(static_cast<size_t>(user && r.in_order ? 0 : r.B * n)), data(own_.size() ? own_.data() : user) {}
    void hand_over() const {
        if (own_.size()) r_.scatter_rows(own_.data(), n_, user_);
    }

  private:
    const Ragged &r_;
    int64_t n_;
    float *user_;
    Floats own_;

  public:
    float *data;
};

// What both directions read: in packed order, the user's own memory where that is the same.
struct Inputs {
    Inputs(const Ragged &r, Cell cell, int64_t D, int64_t H, const float *x, const int64_t *ids, int64_t table_rows,
           const uint8_t *reset, const float *h0, const float *c0)
        : x_(r.as_is || !x || table_rows ? 0 : static_cast<size_t>(r.rows.M * D)), h0_(r, H, h0, true),
          c0_(r, H, cell == Cell::lstm ? c0 : nullptr, cell == Cell::lstm), x(x), ids(ids), h0(h0_.data), c0(c0_.data) {
        if (x_.size()) r.gather(x, D, D, x_.data()), this->x = x_.data();
        if (ids && !r.as_is) ids_.resize(static_cast<size_t>(r.rows.M)), r.gather(ids, 1, 1, ids_.data()), this->ids = ids_.data();
        if (reset) reset_.resize(static_cast<size_t>(r.rows.M)), r.gather(reset, 1, 1, reset_.data()), this->reset = reset_.data();
    }

  private:
    Floats x_;
    StateRead h0_, c0_;
    std::vector<int64_t> ids_;
    std::vector<uint8_t> reset_;

  public:
    const float *x;
    const int64_t *ids;
    const float *h0, *c0;
    const uint8_t *reset = nullptr;
};

// Whether weights that are packed for one run alone are sooner met block by block, anew at each of its steps: those of one
// step are, unless its rows are so many that packing hardly counts; and those of two steps of a few rows, if they would be
// read from far away when they are packed.
bool worth_at_once(const Weights &w, int64_t T, int64_t B) {
    constexpr int64_t of_one_step = 64, of_two = 12;  // rows
    if (B < 1 || B > of_one_step) return false;
    return T == 1 || (T == 2 && B <= of_two && !stay_near((w.D + w.H) * gates_of(w.cell) * w.H));
}

}  // namespace

double multiply_adds(Cell cell, int64_t M, int64_t D, int64_t H) {
    return static_cast<double>(M) * static_cast<double>(gates_of(cell) * H * (D + H));
}

void run(const Scan &scan) {
    const Packed &w = *scan.weights;
    const int64_t H = w.H, D = w.D, B = scan.layout.B;
    const bool has_c = w.cell == Cell::lstm;
    const Ragged r(scan.layout);
    const Inputs in(r, w.cell, D, H, scan.x, scan.ids, scan.table_rows, scan.reset, scan.h0, scan.c0);
    const bool direct = r.as_is && scan.out_stride == H;
    const Floats out(direct ? 0 : static_cast<size_t>(r.rows.M * H));
    const StateWritten hn(r, H, scan.hn), cn(r, has_c ? H : 0, scan.cn);
    Forward f{};
    f.weights = &w, f.rows = &r.rows, f.x = in.x, f.ids = in.ids, f.table_rows = scan.table_rows, f.reset = in.reset;
    f.h0 = in.h0, f.c0 = in.c0, f.from_nought = !scan.h0, f.hn = hn.data, f.cn = cn.data;
    f.out = direct ? scan.out : out.data();
    if (scan.keep) f.gates = scan.gates, f.cells = scan.cells;
    ask_for_large_pages(scan.out, (r.places() - 1) * scan.out_stride + H);
    ask_for_large_pages(f.gates, r.rows.M * gate_width(w.cell, H));
    ask_for_large_pages(f.cells, r.rows.M * padded(H));
    f.threads = threads_for(scan.threads, w.cell, r.rows.M, D, H);
    kernels_for(multiply_adds(w.cell, r.rows.M, D, H), H, scan.keep)->forward(f);
    hn.hand_over(), cn.hand_over();
    if (direct) r.clear_beyond(scan.out, H);
    else r.scatter(f.out, H, scan.out, scan.out_stride);
}

bool run_at_once(const Weights &weights, const Scan &s) {
    const int64_t T = s.layout.T, B = s.layout.B, H = weights.H, D = weights.D;
    if (!worth_at_once(weights, T, B) || s.layout.lengths || !s.x || s.table_rows || s.reset || s.out_stride != H) return false;
    Once once{&weights, B, s.x, s.h0, s.c0, s.out, s.hn, s.cn, s.keep ? s.gates : nullptr, s.keep ? s.cells : nullptr,
              threads_for(s.threads, weights.cell, T * B, D, H)};
    const Kernels *const kernels = kernels_for(multiply_adds(weights.cell, T * B, D, H), H, s.keep);
    for (int64_t n = 0; n < T; ++n, once.h0 = s.hn, once.c0 = s.cn) {
        const int64_t first = (s.layout.reverse ? T - 1 - n : n) * B;  // row
        once.x = s.x + first * D, once.out = s.out + first * H;
        if (once.gates) once.gates = s.gates + first * kept_gates(weights.cell, H);
        if (once.cells) once.cells = s.cells + first * kept_cells(weights.cell, H);
        kernels->once(once);
    }
    return true;
}

void run_back(const BackScan &scan) {
    const Weights &w = *scan.weights;
    const int64_t H = w.H, D = w.D, B = scan.layout.B;
    const bool has_c = w.cell == Cell::lstm;
    const Ragged r(scan.layout);
    const int64_t M = r.rows.M;
    const Inputs in(r, w.cell, D, H, scan.x, scan.ids, 0, scan.reset, scan.h0, scan.c0);
    const auto packed_rows = [&](const float *user, int64_t n, Floats &own) -> const float * {
        if (r.as_is || !user) return user;
        own = Floats(static_cast<size_t>(M * n));
        r.gather(user, n, n, own.data());
        return own.data();
    };
    Floats out, d_out;
    const Floats d_x(scan.d_x && !r.as_is ? static_cast<size_t>(M * D) : 0);
    const StateRead d_hn(r, H, scan.d_hn, false), d_cn(r, H, scan.d_cn, false);
    const StateWritten d_h0(r, H, scan.d_h0), d_c0(r, has_c ? H : 0, scan.d_c0);
    Backward b{};
    b.weights = &w, b.rows = &r.rows, b.x = in.x, b.ids = in.ids, b.reset = in.reset, b.h0 = in.h0, b.c0 = in.c0;
    b.from_nought = !scan.h0, b.first_wanted = scan.d_h0;
    b.out = packed_rows(scan.out, H, out), b.d_out = packed_rows(scan.d_out, H, d_out);
    b.d_hn = d_hn.data, b.d_cn = d_cn.data;
    b.gates = scan.gates, b.cells = scan.cells, b.d_x = d_x.size() ? d_x.data() : scan.d_x;
    b.d_w_ih = scan.d_w_ih, b.d_w_hh = scan.d_w_hh, b.d_b_ih = scan.d_b_ih, b.d_b_hh = scan.d_b_hh;
    b.d_h0 = d_h0.data, b.d_c0 = d_c0.data;
    ask_for_large_pages(scan.d_x, r.places() * D);
    ask_for_large_pages(scan.d_w_ih, gates_of(w.cell) * H * D);
    ask_for_large_pages(scan.d_w_hh, gates_of(w.cell) * H * H);
    b.threads = threads_for(scan.threads, w.cell, M, D, H);
    kernels_for(multiply_adds(w.cell, M, D, H), H, true)->backward(b);
    d_h0.hand_over(), d_c0.hand_over();
    if (!scan.d_x) return;
    if (d_x.size()) r.scatter(d_x.data(), D, scan.d_x, D);
    else r.clear_beyond(scan.d_x, D);
}

}  // namespace elman
