// One step with weights that are packed for it alone. A block of them is met as soon as it is packed, while it is in the
// first cache: packed as a whole they would be written far away and read back, which takes longer than the step.
#pragma once

#include "pack.hpp"
#include "step.hpp"

namespace elman::ELMAN_ISA {

template <class C>
class AtOnce {
  public:
    AtOnce(const Once &o, const C &cell)
        : o_(o), w_(*o.weights), biases_(pack_biases<C>(w_)), cell_(cell), H_(w_.H), Hp_(padded(H_)),
          floats_(panels_of_units<C>(H_) * C::width * (w_.D + H_)), near_(stay_near(floats_)), noughts_(floats(o.h0 ? 0 : o.B * H_)),
          first_c_(floats(has_c && (H_ < Hp_ || !o.c0) ? o.B * Hp_ : 0)), next_c_(floats(has_c && H_ < Hp_ && !o.cells ? o.B * Hp_ : 0)) {
        std::fill_n(noughts_.data(), noughts_.size(), 0.0f);
        std::fill_n(first_c_.data(), first_c_.size(), 0.0f);
        if (first_c_.size() && o.c0) copy_rows(first_c_.data(), Hp_, o.c0, H_, H_, o.B);
    }

    void operator()() const {
        const int64_t panels = panels_of_units<C>(H_);
        parallel(floats_ < worth_packing_together ? 1 : o_.threads, [&](int part, int parts) {
            const Floats sums(static_cast<size_t>(o_.B * C::width)), room(static_cast<size_t>(o_.gates ? 0 : o_.B * C::saved));
            for (int64_t panel = part; panel < panels; panel += parts) {
                const Own own = o_.gates ? Own{o_.gates + panel * C::saved, static_cast<ptrdiff_t>(panels * C::saved)} : Own{room.data(), C::saved};
                of_panel(panel, sums.data(), own);
            }
        });
        copy_rows(o_.hn, H_, o_.out, H_, H_, o_.B);
        if (has_c && next_c() != o_.cn) copy_rows(o_.cn, H_, next_c(), Hp_, H_, o_.B);
    }

  private:
    static constexpr bool has_c = C::kind == Cell::lstm;
    static constexpr int most_rows = std::min(rows_of(C::vectors), 8);  // of a tile: more would not be sooner there
    static Floats floats(int64_t n) { return Floats(static_cast<size_t>(n)); }
    const float *h() const { return noughts_.size() ? noughts_.data() : o_.h0; }
    const float *c() const { return first_c_.size() ? first_c_.data() : o_.c0; }  // (B, padded H)
    float *next_c() const { return o_.cells ? o_.cells : next_c_.size() ? next_c_.data() : o_.cn; }  // the same

    // where a panel's gates stand: those of row 0, and floats from one row to the next
    struct Own {
        float *gates;
        ptrdiff_t stride;
    };

    void of_panel(int64_t panel, float *sums, const Own &own) const {
        for (int64_t row = 0; row < o_.B; ++row) std::copy_n(biases_.bias.data() + panel * C::width, C::width, sums + row * C::width);
        add_product(w_.w_ih, o_.x, w_.D, panel, sums);
        turn(panel, sums, own);
        add_product(w_.w_hh, h(), H_, panel, sums);
        each_tile_of<4>(Finish{*this, panel, sums, own});
    }

    // sums += W x, block after block
    void add_product(const float *w, const float *x, int64_t K, int64_t panel, float *sums) const {
        constexpr int64_t block = PanelRows<C>::block;
        alignas(64) float packed[block * C::width];
        const PanelRows<C> rows(w, H_, K, panel);
        for (int64_t k = 0; k < K; k += block) {
            rows.pack(k, packed, near_);
            each_tile_of<most_rows>(Meet{*this, packed, x + k, K, std::min(block, K - k), sums});
        }
    }

    // between both products
    void turn(int64_t panel, float *sums, const Own &own) const {
        for (int64_t row = 0; row < o_.B; ++row)
            for (int at = 0; at < lanes(); at += C::step) {
                Tile<1, 1, C::vectors> acc;
                load_sums(acc, sums + row * C::width + at);
                cell_.turn(acc[0][0], own.gates + row * own.stride + at, biases_.bias_q.data() + panel * 16 + at);
                store_sums(acc, sums + row * C::width + at);
            }
    }

    template <int most, class T>
    void each_tile_of(const T &tile) const {
        const Shares tiles(o_.B, most, 1);
        for (int64_t i = 0; i < tiles.tiles; ++i) run_rows<1, most>(tile, tiles.first(i + 1) - tiles.first(i), 0, tiles.first(i));
    }

    int lanes() const { return static_cast<int>(lanes_of<C>(H_)); }  // of a panel

    // the sums of MR rows, which stand in memory between two blocks
    template <int MR>
    ELMAN_INLINE static void load_sums(Tile<1, MR, C::vectors> &acc, const float *sums) {
        ELMAN_UNROLL
        for (int k = 0; k < MR * C::vectors; ++k)
            acc[0][k / C::vectors][k % C::vectors] = load(sums + k / C::vectors * C::width + k % C::vectors * C::between);
    }
    template <int MR>
    ELMAN_INLINE static void store_sums(const Tile<1, MR, C::vectors> &acc, float *sums) {
        ELMAN_UNROLL
        for (int k = 0; k < MR * C::vectors; ++k)
            store(sums + k / C::vectors * C::width + k % C::vectors * C::between, acc[0][k / C::vectors][k % C::vectors]);
    }

    struct Meet {
        const AtOnce &all;
        const float *packed, *x;
        int64_t stride, K;
        float *sums;
        template <int, int MR>
        void run(int64_t, int64_t row) const {
            const float *rows[MR];
            for (int i = 0; i < MR; ++i) rows[i] = x + (row + i) * stride;
            for (int at = 0; at < all.lanes(); at += C::step) {
                Tile<1, MR, C::vectors> acc;
                load_sums(acc, sums + row * C::width + at);
                chain<C::between, false>(acc, rows, packed + at, 0, C::width, K, Soon{packed, 0});
                store_sums(acc, sums + row * C::width + at);
            }
        }
    };

    struct Finish {
        const AtOnce &all;
        int64_t panel;
        float *sums;
        Own own;
        template <int, int MR>
        void run(int64_t, int64_t row) const {
            const int64_t H = all.H_, first = row * H + panel * C::units, first_c = row * all.Hp_ + panel * C::units;
            for (int at = 0; at < all.lanes(); at += C::step) {
                Tile<1, MR, C::vectors> acc;
                load_sums(acc, sums + row * C::width + at);
                float *gates[MR];
                for (int i = 0; i < MR; ++i) gates[i] = own.gates + (row + i) * own.stride + at;
                const Place<true> corner{nullptr, nullptr, all.h() + first + at, all.c() + first_c + at, all.next_c() + first_c + at,
                                         all.o_.out + first + at, H - panel * C::units - at};
                finish_tile(all.cell_, acc, all.o_.gates ? Keep::near : Keep::none, gates, gates, corner, H, (panel + 1) * C::units <= H);
            }
        }
    };

    const Once &o_;
    const Weights &w_;
    const Packed biases_;
    const C &cell_;
    const int64_t H_, Hp_, floats_;  // of all weights
    const bool near_;  // in the cache: else what is brought for the next block drives out what waits for its turn
    const Floats noughts_, first_c_, next_c_;
};

}  // namespace elman::ELMAN_ISA
