// Gradients through the weights of one step, which are read as their user holds them: packed for one step alone they would be
// written far away and read back, which takes longer than the products.
#pragma once

#include <algorithm>

#include "product.hpp"

namespace elman::ELMAN_ISA {

// y[i, j] += Σ_k a[i, k] w[k, j], in the order of a product with packed weights: pieces of up to 16 units, gate after gate.
struct Straight {
    Operand a;
    const float *w;  // (gates * H, columns)
    int64_t H, columns;
    const int *gates;  // whose units the pieces are, `count` of them in turn
    int count, chains = 1;  // y has so many planes, `plane` floats apart, which the pieces take in turn
    ptrdiff_t plane = 0;

    // `rows` rows and the columns from ... to - 1
    void operator()(float *y, ptrdiff_t stride, int64_t rows, int64_t from, int64_t to) const {
        const float *x = a.x;
        for (int64_t piece = 0, left = a.group; piece < a.pieces; ++piece, x += a.x_piece) {
            const int64_t first = piece / count * 16, n = std::min(a.piece, H - first);
            const float *lines = w + (gates[piece % count] * H + first) * columns;
            float *const own = y + piece % chains * plane;
            int64_t k = 0;
            for (; k + 4 <= n; k += 4) each_row<4>(own, stride, rows, x + k, lines + k * columns, from, to);
            for (; k < n; ++k) each_row<1>(own, stride, rows, x + k, lines + k * columns, from, to);
            if (--left == 0) left = a.group, x += a.x_piece;
        }
    }

  private:
    template <int K>
    void each_row(float *y, ptrdiff_t stride, int64_t rows, const float *x, const float *lines, int64_t from, int64_t to) const {
        int64_t row = 0;
        for (; row + 3 <= rows; row += 3) add<3, K>(y + row * stride, stride, x + row * a.x_stride, lines, from, to);
        for (; row < rows; ++row) add<1, K>(y + row * stride, stride, x + row * a.x_stride, lines, from, to);
    }

    template <int MR, int K>
    void add(float *y, ptrdiff_t stride, const float *x, const float *lines, int64_t from, int64_t to) const {
        Vec number[MR][K];
        ELMAN_UNROLL
        for (int i = 0; i < MR * K; ++i) number[i / K][i % K] = set(x[i / K * a.x_stride + i % K]);
        const auto at = [&](int64_t j, auto whole) ELMAN_IN_PLACE {
            Vec line[K];
            ELMAN_UNROLL
            for (int k = 0; k < K; ++k) line[k] = whole ? load(lines + k * columns + j) : load_some(lines + k * columns + j, to - j);
            ELMAN_UNROLL
            for (int i = 0; i < MR; ++i) {
                float *const own = y + i * stride + j;
                Vec sum = whole ? load(own) : load_some(own, to - j);
                ELMAN_UNROLL
                for (int k = 0; k < K; ++k) sum = fma(number[i][k], line[k], sum);
                if (whole) store(own, sum);
                else store_some(own, sum, to - j);
            }
        };
        int64_t j = from;
        for (; j + W <= to; j += W) at(j, std::true_type());
        if (j < to) at(j, std::false_type());
    }
};

}  // namespace elman::ELMAN_ISA
