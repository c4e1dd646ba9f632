// A layer in one direction over time, backwards, for any cell: chunk by chunk from the last step to the first.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "chunk.hpp"
#include "pack.hpp"
#include "product.hpp"
#include "straight.hpp"

namespace elman::ELMAN_ISA {

// the gates in the order in which d_a has them
template <class C>
constexpr std::array<int, Slots<C>::side> order_of_gates(bool side_of_x) {
    if constexpr (C::kind == Cell::lstm) return {0, 1, 2, 3};
    else if constexpr (C::kind == Cell::rnn) return {0};
    else return side_of_x ? std::array<int, 3>{2, 0, 1} : std::array<int, 3>{0, 1, 2};
}

template <class C>
class Back {
  public:
    Back(const Backward &b, const C &cell)
        : b_(b), cell_(cell), w_(*b.weights), rows_(*b.rows), H_(w_.H), Hp_(padded(H_)),
          panels_(panels_of_units<C>(H_)), row_size_(panels_ * C::saved), wanted_(whole_blocks(row_size_)),
          groups_(b.reset || b.threads == 1 || !rows_.steps() ? 1 : groups_of_rows(rows_.B, 2 * row_size_ + 3 * H_ + w_.D, b.threads)),
          halves_(rows_, groups_),
          straight_(rows_.steps() == 1 && !b.reset && rows_.B <= rows_of_one_step),
          own_rows_(groups_ > 1 && worth_own_rows(halves_, std::max(w_.D, H_) * row_size_)),
          from_nought_(b.from_nought && !b.reset && rows_.steps() ? rows_.count[rows_.time(0)] : 0) {}

    void run() {
        begin();
        for (int64_t to = rows_.steps(); to > 0;) {
            const Chunk chunk = chunk_before(rows_, to, wanted_);
            list_rows(chunk);
            if (straight_) one_step(chunk);
            else if (own_rows_) rows_apart(chunk);
            else rows_together(chunk);
            done_ += chunk.high - chunk.low;
            to = chunk.from;
        }
        end();
    }

  private:
    static constexpr bool has_c = C::kind == Cell::lstm, is_gru = C::kind == Cell::gru;
    // the gates in the order in which d_a has them on the side of h, and of x
    static constexpr std::array<int, Slots<C>::side> gates_of_h = order_of_gates<C>(false), gates_of_x = order_of_gates<C>(true);
    static constexpr int64_t rows_of_one_step = 64;  // whose one step is over sooner than its weights would be packed

    static int64_t whole_blocks(int64_t floats_a_row) { return std::max(block, half_of_cache() / (16 * floats_a_row) / block * block); }

    static Floats noughts(int64_t size) {
        Floats f(static_cast<size_t>(size));
        std::fill_n(f.data(), size, 0.0f);
        return f;
    }

    void begin() {
        const int64_t B = rows_.B, lines = C::gates * H_, D = w_.D;
        r_h_ = noughts(B * Hp_);
        if (b_.d_hn) copy_rows(r_h_.data(), Hp_, b_.d_hn, H_, H_, B);
        if (has_c) {
            r_c_ = noughts(B * Hp_);
            if (b_.d_cn) copy_rows(r_c_.data(), Hp_, b_.d_cn, H_, H_, B);
            tanh_c_ = Floats(static_cast<size_t>(B * Hp_));
            if (H_ < Hp_) first_c_ = noughts(B * Hp_), copy_rows(first_c_.data(), Hp_, b_.c0, H_, H_, B);
        }
        std::fill_n(b_.d_h0, B * H_, 0.0f);
        if (has_c) std::fill_n(b_.d_c0, B * H_, 0.0f);
        if (b_.d_w_ih && !rows_.M) std::fill_n(b_.d_w_ih, lines * D, 0.0f);
        if (b_.d_w_hh && rows_.M == from_nought_) std::fill_n(b_.d_w_hh, lines * H_, 0.0f);
        const bool chunks = rows_.M > wanted_;
        partial_ih_ = Floats(static_cast<size_t>(chunks && !b_.ids && b_.d_w_ih ? lines * D : 0));
        partial_hh_ = Floats(static_cast<size_t>(chunks && b_.d_w_hh ? lines * H_ : 0));
        bias_ = noughts(row_size_);
        bias_partial_ = noughts(row_size_);
        if (!straight_) {
            back_h_ = pack_transposed<C>(w_.w_hh, H_, H_, gates_of_h, b_.threads);
            if (b_.d_x) back_x_ = pack_transposed<C>(w_.w_ih, H_, D, gates_of_x, b_.threads);
        }
        if (b_.ids) by_symbol_ = noughts(D * row_size_);
    }

    // Parts share units, then columns: those of the state's gradients, of the weights', of the input's.
    void one_step(const Chunk &chunk) {
        const int64_t rows = chunk.high - chunk.low;
        Meeting meeting;
        parallel(b_.threads, [&](int part, int parts) {
            const auto share = [&](int64_t size, int n) { return std::min(size, (size + W - 1) / W * n / parts * W); };
            through_gates_of(0, 0, 0, rows, panels_ * part / parts, panels_ * (part + 1) / parts);
            meeting.wait(parts);
            if (b_.first_wanted) back_to_h(rows, share(H_, part), share(H_, part + 1));
            weight_gradients(chunk, part, parts);
            if (!b_.d_x) return;
            const int64_t from = share(w_.D, part), to = share(w_.D, part + 1);
            for (int64_t row = 0; row < rows; ++row) std::fill(b_.d_x + row * w_.D + from, b_.d_x + row * w_.D + to, 0.0f);
            Straight{read(0, false), w_.w_ih, H_, w_.D, gates_of_x.data(), Slots<C>::side}(b_.d_x, w_.D, rows, from, to);
        });
    }

    // as `past_weights` does it
    void back_to_h(int64_t rows, int64_t from, int64_t to) {
        Straight back{read(0, true), w_.w_hh, H_, H_, gates_of_h.data(), Slots<C>::side};
        for (int64_t row = 0; row < rows && !is_gru; ++row) std::fill(r_h_.data() + row * Hp_ + from, r_h_.data() + row * Hp_ + to, 0.0f);
        if (rows > 1) return back(r_h_.data(), Hp_, rows, from, to);
        back.chains = 4, back.plane = Hp_;
        const Floats planes = noughts(4 * Hp_);
        back(planes.data(), Hp_, 1, from, to);
        const float *c = planes.data();
        for (int64_t j = from; j < to; ++j) r_h_.data()[j] += (c[j] + c[Hp_ + j]) + (c[2 * Hp_ + j] + c[3 * Hp_ + j]);
    }

    void rows_apart(const Chunk &chunk) {
        Meeting meeting;
        parallel(b_.threads, [&](int part, int parts) {
            for (int i = part; i < groups_; i += parts) steps_of_own_rows(chunk, halves_.at(i), halves_.at(i + 1));
            meeting.wait(parts);
            weight_gradients(chunk, part, parts);
        });
    }

    void rows_together(const Chunk &chunk) {
        const int64_t rows = chunk.high - chunk.low;
        Meeting meeting;
        if (b_.reset) steps(chunk, 0, 1);
        else if (worth_units(chunk.widest, H_ * row_size_))
            parallel(b_.threads, [&](int part, int parts) { steps_by_units(chunk, part, parts, meeting); });
        else parallel(b_.threads, [&](int part, int parts) { steps(chunk, part, parts); });
        parallel(b_.threads, [&](int part, int parts) {
            weight_gradients(chunk, part, parts);
            if (b_.d_x) back_to_x(chunk, 0, true)(rows, rows, part, parts);
        });
    }

    // Where d_a of a chunk's row m stands: line by line of 16 units, [line][m][16], rows from the last step to the first.
    float *d_a_of(int64_t m) const { return d_a_.data() + m * 16; }

    // the rows [first, last) of a step through their gates, some of the units; row 0 of the step is the chunk's row m
    void through_gates_of(int64_t s, int64_t m, int64_t first, int64_t last, int64_t first_panel, int64_t last_panel) {
        const int64_t t = rows_.time(s);
        tanh_of_cells(t, first, last, first_panel, last_panel);
        const int64_t together = b_.reset ? 1 : last - first;  // rows that start afresh have their state before elsewhere
        for (int64_t i = first; i < last; i += together) through_gates(s, t, i, i + together, d_a_of(m + i), first_panel, last_panel);
    }

    // Whether the rows of step s - 1 go through their gates as soon as a tile of step s has its gradient, which is near then,
    // and while the next tile's product runs: in the same chunk, if no row ends there. An LSTM's have more to read than is saved.
    bool joins_step_before(const Chunk &chunk, int64_t s, int64_t first, int64_t end) const {
        return !has_c && s > chunk.from && !b_.reset && end - first >= shape_of<Plain::vectors>((H_ + 31) / 32).rows && rows_.count[rows_.time(s - 1)] >= end;
    }
    auto gates_before(int64_t s, int64_t m, int64_t first) {
        return [this, s, m, first](int64_t panel, int panels, int64_t row, int rows) {
            constexpr int64_t wide = 32 / C::units;
            through_gates_of(s - 1, m, first + row, first + row + rows, panel * wide, std::min((panel + panels) * wide, panels_));
        };
    }

    // one part's rows through the steps of a chunk, from the last to the first
    void steps(const Chunk &chunk, int part, int parts) {
        bool through = false;  // whether the step's rows are through their gates already
        for (int64_t s = chunk.to - 1, m = 0, count; s >= chunk.from; --s, m += count) {
            const int64_t at = rows_.offset[rows_.time(s)];
            count = rows_.count[rows_.time(s)];
            const Shares shares(chunk.widest, shape_of<Plain::vectors>((H_ + 31) / 32).rows, parts);  // the rows of the product that follows
            const auto own = [&](int64_t now, int64_t row, int64_t from, int64_t end) {
                for (int64_t tile = part; tile < shares.tiles; tile += parts)
                    through_gates_of(now, row, std::max(from, shares.first(tile)), std::min(end, shares.first(tile + 1)), 0, panels_);
            };
            if (!through) own(s, m, 0, count);
            through = joins_step_before(chunk, s, 0, count);
            if (through) {
                past_weights(m, s, 0, true, chunk.from)(count, chunk.widest, part, parts, gates_before(s, m + count, 0));
                own(s - 1, m + count, count, rows_.count[rows_.time(s - 1)]);
            } else if (s || b_.first_wanted) past_weights(m, s, 0, false, chunk.from)(count, chunk.widest, part, parts);
            if (any_reset(b_.reset, at, count)) give_to_first(at, count);
        }
    }

    // the same, all rows and some of the units
    void steps_by_units(const Chunk &chunk, int part, int parts, Meeting &meeting) {
        const int64_t columns = (H_ + 31) / 32;
        for (int64_t s = chunk.to - 1, m = 0, count; s >= chunk.from; --s, m += count) {
            count = rows_.count[rows_.time(s)];
            through_gates_of(s, m, 0, count, panels_ * part / parts, panels_ * (part + 1) / parts);
            meeting.wait(parts);
            if (s || b_.first_wanted) past_weights(m, 0, 0, false, 0).over(columns * part / parts, columns * (part + 1) / parts, count, count, 0, 1);
            meeting.wait(parts);
        }
    }

    // the rows [first, last) through the steps of a chunk, from the last to the first: all that is theirs alone
    void steps_of_own_rows(const Chunk &chunk, int64_t first, int64_t last) {
        bool through = false;  // whether the step's rows are through their gates already
        for (int64_t s = chunk.to - 1, m = first; s >= chunk.from; --s) {
            const int64_t count = rows_.count[rows_.time(s)], n = std::min(count, last) - first;
            if (n > 0) {
                if (!through) through_gates_of(s, m - first, first, first + n, 0, panels_);
                through = joins_step_before(chunk, s, first, first + n);
                Product back = past_weights(m, s, first, through, 0);
                back.y += first * Hp_;
                if (back.start) back.start = back.y;
                if (through) {
                    back(n, last - first, 0, 1, gates_before(s, m - first + count, first));
                    through_gates_of(s - 1, m - first + count, first + n, std::min(rows_.count[rows_.time(s - 1)], last), 0, panels_);
                } else if (s || b_.first_wanted) back(n, last - first, 0, 1);
                if (b_.d_x) back_to_x(chunk, m, false)(n, n, 0, 1);
            }
            m += count;
        }
    }

    // d_a of the chunk's rows from m on as a product meets it; the side of h has its own n, the last of GRU's four lines
    Operand read(int64_t m, bool side_of_h) const {
        const Slots<C> slots(H_);
        if (is_gru) return {d_a_of(m) + (side_of_h ? line_ : 0), 16, slots.count, slots.units, line_, 3};
        return {d_a_of(m), 16, slots.count, slots.units, line_};
    }

    // in the forward pass a = W_ih x + ..., so d_x = d_a W_ih: from the chunk's row m on. It is the last that happens to a
    // chunk; if `ahead`, what the next two steps read is brought meanwhile, but no more rows than there are here.
    Product back_to_x(const Chunk &chunk, int64_t m, bool ahead) const {
        Product back{read(m, false), back_x_.data(), w_.D, nullptr, 0, b_.d_x + chunk.low * w_.D, w_.D, places_.data() + m};
        if (!ahead || !chunk.from) return back;
        const int64_t here = chunk.high - chunk.low;
        Chunk next = chunk_of(rows_, chunk.from - 1, chunk.from);
        const Chunk two = chunk_of(rows_, std::max<int64_t>(0, chunk.from - 2), chunk.from);
        if (two.high - two.low <= here) next = two;
        const int64_t rows = next.high - next.low;
        bring_for_gates(back.ahead, next.low, next.low, [&](int64_t size) { return (rows * size / here + 15) / 16 * 16; });
        return back;
    }

    // what packed rows from `at` on read on their way through their gates: `share` says how much of a row's floats
    template <class F>
    void bring_for_gates(Ahead &ahead, int64_t at, int64_t at_of_cells, F &&share) const {
        if (b_.d_out) ahead.add(b_.d_out + at * H_, share(H_));
        if (b_.gates) ahead.add(b_.gates + at * row_size_, share(row_size_));
        if (has_c) ahead.add(b_.cells + at_of_cells * Hp_, share(Hp_));
        else ahead.add(b_.out + at * H_, share(H_));
    }

    // in the forward pass a = ... + W_hh h, so r_h = (what went past the gates) + d_a W_hh
    // Meanwhile what its rows from `first` on read next is brought: the x that the weights' gradient meets; and at the gates
    // of the step before s, or, if they go through these at once, of the one before that, unless it is before step `from`.
    Product past_weights(int64_t m, int64_t s, int64_t first, bool at_once, int64_t from) const {
        Product back{read(m, true), back_h_.data(), H_, is_gru ? r_h_.data() : nullptr, Hp_, r_h_.data(), Hp_};
        back.alone = rows_.B == 1;
        const auto row_of = [&](int64_t step) { return rows_.offset[rows_.time(std::max<int64_t>(0, step))] + first; };
        const int64_t next = s - (at_once ? 2 : 1);
        if (next >= from) bring_for_gates(back.ahead, row_of(next), row_of(next - 1), [](int64_t size) { return size; });
        if (s && b_.x && b_.d_w_ih) back.ahead.add(b_.x + row_of(s) * w_.D, w_.D);
        return back;
    }

    const float *h_before(int64_t s, int64_t row) const {
        const int64_t at = rows_.offset[rows_.time(s)] + row;
        if (s == 0 || (b_.reset && b_.reset[at])) return b_.h0 + row * H_;
        return b_.out + (rows_.offset[rows_.time(s - 1)] + row) * H_;
    }

    // All that is read stands in locals: what a vector stores might else be one of the members, which would be read again.
    void through_gates(int64_t s, int64_t t, int64_t first, int64_t last, float *d_a, int64_t first_panel, int64_t last_panel) {
        constexpr int64_t slots = C::saved / C::units;  // of 16 units
        const int64_t at = rows_.offset[t] + first, H = H_, Hp = Hp_, line = line_, row_size = row_size_;
        const int64_t begin = first_panel * C::units, end = (last_panel - 1) * C::units + lanes_of<C>(H), whole_end = std::min(end, H) - W;
        const C cell = cell_;
        const float *d_out = b_.d_out ? b_.d_out + at * H : nullptr, *out = b_.out + at * H, *h = h_before(s, first);
        const float *gates = b_.gates ? b_.gates + at * row_size : nullptr;
        const float *c_before = has_c ? cells_before(s, at, first) : nullptr, *tanh_c = has_c ? tanh_c_.data() + first * Hp : nullptr;
        float *r_h = r_h_.data() + first * Hp, *r_c = has_c ? r_c_.data() + first * Hp : nullptr;
        const auto vector = [&](int64_t unit, auto whole) ELMAN_IN_PLACE {
            const auto read = [&](const float *from) ELMAN_IN_PLACE { return whole ? load(from + unit) : load_some(from + unit, H - unit); };
            const ptrdiff_t slot = static_cast<ptrdiff_t>(static_cast<size_t>(unit) / 16) * slots, lane = unit & 15;
            float *const d = d_a + slot * line + lane;
            const Vec d_past = load(r_h + unit), d_h = d_out ? read(d_out) + d_past : d_past;
            if constexpr (has_c) C::backward(d_h, gates + slot * 16 + lane, c_before + unit, load(tanh_c + unit), r_c + unit, d, line);
            else if constexpr (is_gru) store(r_h + unit, C::backward(d_h, gates + slot * 16 + lane, read(h), d, line));
            else store(d, cell.d_phi(d_h, read(out)));
        };
        for (int64_t row = first; row < last; ++row) {
            int64_t unit = begin;
            for (; unit <= whole_end; unit += W) vector(unit, std::true_type());
            for (; unit < end; unit += W) vector(unit, std::false_type());
            out += H, h += H, r_h += Hp, d_a += 16;
            if (d_out) d_out += H;
            if (gates) gates += row_size;
            if constexpr (has_c) c_before += Hp, tanh_c += Hp, r_c += Hp;
        }
    }

    const float *cells_before(int64_t s, int64_t at, int64_t row) const {
        if (s == 0 || (b_.reset && b_.reset[at])) return (first_c_.size() ? first_c_.data() : b_.c0) + row * Hp_;
        return b_.cells + (rows_.offset[rows_.time(s - 1)] + row) * Hp_;
    }

    // tanh(c') of a step's rows [first, last), of some units: several vectors at once, where one alone would wait for itself
    void tanh_of_cells(int64_t t, int64_t first, int64_t last, int64_t first_panel, int64_t last_panel) {
        if constexpr (has_c) {
            constexpr int group = W == 8 ? 3 : 6;
            const int64_t begin = first_panel * C::units;
            const int64_t vectors = ((last_panel - first_panel - 1) * C::units + lanes_of<C>(H_) + W - 1) / W;
            const float *from = b_.cells + (rows_.offset[t] + first) * Hp_ + begin;
            float *to = tanh_c_.data() + first * Hp_ + begin;
            int64_t at = 0, line = 0;  // the vector that is next, and its row's beginning
            for (int64_t k = 0, all = (last - first) * vectors; k < all; k += group) {
                int64_t place[group];
                Vec c[group];
                for (int i = 0; i < group; ++i) {
                    place[i] = line + at * W, c[i] = load(from + place[i]);
                    if (k + i + 1 < all && ++at == vectors) at = 0, line += Hp_;
                }
                tanh_all(c);
                for (int i = 0; i < group; ++i) store(to + place[i], c[i]);
            }
        }
    }

    // where a row started afresh its gradient goes to the first state and no further
    void give_to_first(int64_t at, int64_t count) {
        for (int64_t i = 0; i < count; ++i)
            if (b_.reset[at + i]) {
                pour(b_.d_h0 + i * H_, r_h_.data() + i * Hp_);
                if (has_c) pour(b_.d_c0 + i * H_, r_c_.data() + i * Hp_);
            }
    }
    void pour(float *to, float *from) const {
        for (int64_t j = 0; j < H_; ++j) to[j] += from[j];
        std::fill_n(from, Hp_, 0.0f);
    }

    void list_rows(const Chunk &chunk) {
        const auto rows = static_cast<size_t>(chunk.high - chunk.low);
        places_.resize(rows), h_rows_.assign(rows + rows_ahead, b_.h0);
        if (b_.x) x_rows_.assign(rows + rows_ahead, b_.x);
        else id_rows_.resize(rows);
        for (int64_t s = chunk.to - 1, m = 0; s >= chunk.from; --s)
            for (int64_t i = 0, t = rows_.time(s); i < rows_.count[t]; ++i, ++m) {
                const int64_t at = rows_.offset[t] + i;
                places_[m] = at - chunk.low, h_rows_[m] = h_before(s, i);
                if (b_.x) x_rows_[m] = b_.x + at * w_.D;
                else id_rows_[m] = b_.ids[at];
            }
        line_ = static_cast<ptrdiff_t>(places_.size() | 1) * 16;  // odd, so that lines of one row do not drive each other out
        const size_t size = static_cast<size_t>(line_ * row_size_ / 16);
        if (d_a_.size() < size) d_a_ = Floats(size);
    }

    void weight_gradients(const Chunk &chunk, int part, int parts) {
        const int64_t count = chunk.high - chunk.low, D = w_.D;
        // parts share out columns, never rows
        int64_t group = 0;
        Floats columns(static_cast<size_t>(count * outer_vectors * W));
        if (!b_.ids && b_.d_w_ih)
            for (Strip strip(D); strip.vectors; strip.next())
                if (group++ % parts == part) column_gradients<true>(x_rows_.data(), strip, columns.data(), count);
        const int64_t with_h = chunk.from ? count : count - from_nought_;
        for (Strip strip(b_.d_w_hh && with_h ? H_ : 0); strip.vectors; strip.next())
            if (group++ % parts == part) column_gradients<false>(h_rows_.data(), strip, columns.data(), with_h);
        const int64_t slots = row_size_ / 16, together = 4;
        for (int64_t slot = part * together; slot < slots; slot += parts * together)
            if (slot + together <= slots) bias_gradients<together>(slot, count);
            else for (int64_t one = slot; one < slots; ++one) bias_gradients<1>(one, count);
    }

    template <bool side_of_x>
    void column_gradients(const float *const *rows, const Strip &strip, float *columns, int64_t count) {
        const Summed g = side_of_x ? Summed{b_.d_w_ih, partial_ih_.data(), w_.D, rows_.M}
                                   : Summed{b_.d_w_hh, partial_hh_.data(), H_, rows_.M - from_nought_};
        if (strip.vectors == 3) slots_by<side_of_x, 3>(g, rows, strip.column, columns, count);
        else if (strip.vectors == 2) slots_by<side_of_x, 2>(g, rows, strip.column, columns, count);
        else slots_by<side_of_x, 1>(g, rows, strip.column, columns, count);
    }

    template <bool side_of_x, int NV>
    void slots_by(const Summed &g, const float *const *rows, int64_t column, float *columns, int64_t count) {
        std::vector<const float *> list;
        const Lines from = lines_of<NV>(rows, count, column, g.columns, columns, list);
        each_slot<side_of_x>([&](const float *d, int64_t first, int64_t lines) {
            for (int64_t line = 0; line < lines; line += outer_lines(NV))
                outer_tile<outer_lines(NV), NV>(d + line, from, count, done_, g, first + line, lines - line, column);
        });
    }

    // f(d_a of 16 units of the chunk's rows, the first line of the weights that is theirs, how many lines are)
    template <bool side_of_x, class F>
    void each_slot(F &&f) {
        for (int64_t slot = 0; slot < row_size_ / 16; ++slot) {
            const int64_t panel = slot / (C::saved / 16), of = slot % (C::saved / 16);
            const int64_t gate = is_gru ? (side_of_x ? (of == 0 ? 2 : of == 3 ? -1 : of - 1) : of - 1) : C::gates == 1 ? 0 : of;
            const int64_t unit = C::gates == 1 ? panel * 32 + of * 16 : panel * 16;
            if (gate >= 0) f(d_a_.data() + slot * line_, gate * H_ + unit, std::min<int64_t>(16, H_ - unit));
        }
    }

    // What was left out for a state of noughts would have been no number where d_a is none: 0 times infinity.
    void mark_what_is_no_number() {
        const auto last = static_cast<int64_t>(places_.size());
        each_slot<false>([&](const float *d, int64_t first, int64_t lines) {
            float lanes[16];
            for (int v = 0; v < 16; v += W) {
                Vec sum = set(0.0f);
                for (int64_t m = last - from_nought_; m < last; ++m) sum = fma(load(d + m * 16 + v), set(0.0f), sum);
                store(lanes + v, sum);
            }
            for (int64_t line = 0; line < lines; ++line)
                if (lanes[line] != 0.0f) std::fill_n(b_.d_w_hh + (first + line) * H_, H_, std::numeric_limits<float>::quiet_NaN());
        });
    }

    // of N slots at once, as one alone would wait for each sum
    template <int N>
    void bias_gradients(int64_t slot, int64_t count) {
        const float *d = d_a_.data() + slot * line_;
        float *partial = bias_partial_.data() + slot * 16, *whole = bias_.data() + slot * 16;
        for (int v = 0; v < 16; v += W) {
            Vec acc[N];
            ELMAN_UNROLL
            for (int i = 0; i < N; ++i) acc[i] = load(partial + i * 16 + v);
            for (int64_t m = 0; m < count; ++m) {
                Vec one[N];
                ELMAN_UNROLL
                for (int i = 0; i < N; ++i) one[i] = load(d + i * line_ + m * 16 + v), acc[i] = acc[i] + one[i];
                if ((done_ + m + 1) % block == 0) {
                    ELMAN_UNROLL
                    for (int i = 0; i < N; ++i) store(whole + i * 16 + v, load(whole + i * 16 + v) + acc[i]), acc[i] = set(0.0f);
                }
                if (!b_.ids) continue;
                float *column = by_symbol_.data() + id_rows_[static_cast<size_t>(m)] * row_size_ + slot * 16 + v;
                ELMAN_UNROLL
                for (int i = 0; i < N; ++i) store(column + i * 16, load(column + i * 16) + one[i]);
            }
            ELMAN_UNROLL
            for (int i = 0; i < N; ++i) store(partial + i * 16 + v, acc[i]);
        }
    }

    void end() {
        if (from_nought_ && b_.d_w_hh) mark_what_is_no_number();
        const int64_t B = rows_.B, D = w_.D;
        const bool open = done_ % block != 0;
        for (int64_t i = 0; i < B; ++i) {
            for (int64_t j = 0; j < H_; ++j) b_.d_h0[i * H_ + j] += r_h_.data()[i * Hp_ + j];
            if (has_c)
                for (int64_t j = 0; j < H_; ++j) b_.d_c0[i * H_ + j] += r_c_.data()[i * Hp_ + j];
        }
        for (int64_t gate = 0; gate < C::gates; ++gate)
            for (int64_t unit = 0; unit < H_; ++unit) {
                const int64_t panel = unit / C::units, lane = unit % C::units;
                const int64_t slot_x = is_gru ? (gate == 2 ? 0 : gate + 1) : gate, slot_h = is_gru ? gate + 1 : gate;
                const int64_t x = panel * C::saved + slot_x * 16 + lane, h = panel * C::saved + slot_h * 16 + lane;
                const auto total = [&](int64_t at) { return bias_.data()[at] + (open ? bias_partial_.data()[at] : 0.0f); };
                if (b_.d_b_ih) b_.d_b_ih[gate * H_ + unit] = total(x);
                if (b_.d_b_hh) b_.d_b_hh[gate * H_ + unit] = total(h);
                if (b_.ids && b_.d_w_ih)
                    for (int64_t k = 0; k < D; ++k)
                        b_.d_w_ih[(gate * H_ + unit) * D + k] = by_symbol_.data()[k * row_size_ + x];
            }
    }

    const Backward &b_;
    const C &cell_;
    const Weights &w_;
    const Rows &rows_;
    const int64_t H_, Hp_, panels_, row_size_;
    const int64_t wanted_;  // rows of a chunk: a block that is cut reads and writes its sums once more
    const int groups_;  // of rows
    const Halves halves_;
    const bool straight_;  // whether it is one step of a few rows, whose weights are read as their user holds them
    const bool own_rows_;  // whether each group of rows goes through the steps on its own
    const int64_t from_nought_;  // so many rows, the last of the sums, meet a state of noughts: nothing is added for them
    Floats r_h_, r_c_, first_c_, tanh_c_, d_a_, back_h_, back_x_, partial_ih_, partial_hh_, bias_, bias_partial_, by_symbol_;
    std::vector<int64_t> places_, id_rows_;  // of the chunk's row m: its packed row, from the chunk's lowest on; its symbol
    std::vector<const float *> x_rows_, h_rows_;
    ptrdiff_t line_ = 0;  // floats of a line of d_a_
    int64_t done_ = 0;
};

}  // namespace elman::ELMAN_ISA
