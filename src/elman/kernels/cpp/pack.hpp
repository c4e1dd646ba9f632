// Weights reordered for the register tiles.
#pragma once

#include <algorithm>
#include <array>

#include "chunk.hpp"
#include "tile.hpp"

namespace elman::ELMAN_ISA {

constexpr int64_t worth_packing_together = 1 << 16;  // floats

// How d_a's numbers are met by a product: slots of one gate's units, 16 of them but where H is less.
template <class C>
struct Slots {
    static constexpr int64_t side = C::kind == Cell::gru ? 3 : C::gates;  // gates on the side of x, or of h
    explicit Slots(int64_t H) : units(std::min<int64_t>(H, 16)), count((H + 15) / 16 * side) {}
    int64_t units, count;
};

// [panel of 32 columns][slot][unit][32]: W as d_a meets it, gates of `slots` in this order
template <class C>
Floats pack_transposed(const float *w, int64_t H, int64_t columns, const std::array<int, Slots<C>::side> &gates, int threads) {
    const Slots<C> slots(H);
    const int64_t count = (columns + 31) / 32, lines = slots.count * slots.units;
    Floats out(static_cast<size_t>(count * lines * 32));
    const auto pack_panel = [&](int64_t panel) {
        const int64_t n = std::min<int64_t>(32, columns - panel * 32);
        float *to = out.data() + panel * lines * 32;
        for (int64_t first = 0; first < H; first += 16)
            for (const int gate : gates)
                for (int64_t unit = first; unit < first + slots.units; ++unit, to += 32) {
                    const float *from = w + (gate * H + unit) * columns + panel * 32;
                    for (int v = 0; v < 32; v += W) store(to + v, unit < H ? load_some(from + v, n - v) : set(0.0f));
                }
    };
    parallel(count * lines * 32 < worth_packing_together ? 1 : threads, [&](int part, int parts) {
        for (int64_t panel = part; panel < count; panel += parts) pack_panel(panel);
    });
    return out;
}

// to[(k - first) * width + lane] = row(lane)[k] for 16 lanes and k from `first` to `last`; null rows are noughts
inline void pack_block(const float *const (&rows)[16], int64_t first, int64_t last, ptrdiff_t width, float *to) {
    for (int group = 0; group < 16; group += W)
        for (int64_t k = first; k < last; k += W) {
            Vec square[W];
            ELMAN_UNROLL
            for (int lane = 0; lane < W; ++lane)
                square[lane] = rows[group + lane] ? load_some(rows[group + lane] + k, last - k) : set(0.0f);
            transpose(square);
            float *const at = to + (k - first) * width + group;
            const auto n = static_cast<int>(std::min<int64_t>(W, last - k));
            if (n == W) {
                ELMAN_UNROLL
                for (int i = 0; i < W; ++i) store(at + i * width, square[i]);
            } else {
                for (int i = 0; i < n; ++i) store(at + i * width, square[i]);
            }
        }
}

// The rows of weights (gates * H, K) that one panel is made of, 16 for each slot of its width; null beyond H.
template <class C>
class PanelRows {
  public:
    static constexpr int64_t block = 32;  // k that are packed at a time

    PanelRows(const float *w, int64_t H, int64_t K, int64_t panel) : K_(K) {
        for (int slot = 0; slot < slots; ++slot) {
            const int64_t gate = C::gates == 1 ? 0 : slot, first = panel * C::units + (C::gates == 1 ? slot * 16 : 0);
            for (int64_t lane = 0; lane < 16; ++lane)
                rows_[slot][lane] = first + lane < H ? w + (gate * H + first + lane) * K : nullptr;
        }
    }

    // [k][width] for the block that begins at k. `bring`: the next stretch of each row.
    void pack(int64_t k, float *to, bool bring) const {
        for (int slot = 0; slot < slots; ++slot) {
            for (int lane = 0; lane < 16 && bring && rows_[slot][lane]; ++lane)
                for (int64_t line = 0; line < block; line += 16) __builtin_prefetch(rows_[slot][lane] + k + block + line);
            pack_block(rows_[slot], k, std::min(K_, k + block), C::width, to + slot * 16);
        }
    }

  private:
    static constexpr int slots = C::width / 16;
    const float *rows_[slots][16];
    const int64_t K_;
};

// [panel][k][width] from rows (gates * H, K); units beyond H are noughts. Block by block of k, so that what is written
// is one stretch of memory.
template <class C>
Floats pack_panels(const float *w, int64_t H, int64_t K, int threads) {
    const int64_t panels = panels_of_units<C>(H);
    Floats out(static_cast<size_t>(panels * K * C::width));
    parallel(panels * K * C::width < worth_packing_together ? 1 : threads, [&](int part, int parts) {
        for (int64_t panel = part; panel < panels; panel += parts) {
            const PanelRows<C> rows(w, H, K, panel);
            for (int64_t k = 0; k < K; k += PanelRows<C>::block) rows.pack(k, out.data() + (panel * K + k) * C::width, true);
        }
    });
    return out;
}

// a layer's sizes and biases, without its weights
template <class C>
Packed pack_biases(const Weights &w) {
    Packed p;
    p.cell = w.cell, p.activation = w.activation, p.D = w.D, p.H = w.H;
    const int64_t panels = panels_of_units<C>(w.H);
    p.bias = Floats(static_cast<size_t>(panels * C::width));
    p.bias_q = Floats(static_cast<size_t>(panels * 16));
    std::fill_n(p.bias.data(), p.bias.size(), 0.0f);
    std::fill_n(p.bias_q.data(), p.bias_q.size(), 0.0f);
    for (int64_t gate = 0; gate < C::gates; ++gate)
        for (int64_t unit = 0; unit < w.H; ++unit) {
            const int64_t at = gate * w.H + unit, panel = unit / C::units, lane = unit % C::units;
            const float x = w.b_ih ? w.b_ih[at] : 0.0f, h = w.b_hh ? w.b_hh[at] : 0.0f;
            const bool apart = C::kind == Cell::gru && gate == 2;
            p.bias.data()[panel * C::width + gate * 16 + lane] = apart ? x : x + h;
            if (apart) p.bias_q.data()[panel * 16 + lane] = h;
        }
    return p;
}

template <class C>
Packed pack_for(const Weights &w, int threads) {
    Packed p = pack_biases<C>(w);
    p.w_ih = pack_panels<C>(w.w_ih, w.H, w.D, threads);
    p.w_hh = pack_panels<C>(w.w_hh, w.H, w.H, threads);
    return p;
}

}  // namespace elman::ELMAN_ISA
