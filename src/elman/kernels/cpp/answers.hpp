// From what the layers say to an answer and its loss: the linear map, softmax, cross entropy, and their gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "pack.hpp"
#include "product.hpp"
#include "rnn.hpp"
#include "rows.hpp"

namespace elman::ELMAN_ISA {

inline Floats pack_linear(const float *w, int64_t K, int64_t D) { return pack_panels<Rnn>(w, K, D, 1); }

inline void linear(const float *x, int64_t M, int64_t D, const float *panels, const float *bias, int64_t K, float *y,
            int threads) {
    parallel(threads, [&](int part, int parts) {
        Product{{x, D, 1, D, 0}, panels, K, bias, 0, y, K}(M, M, part, parts);
    });
}

// [panel of 32 columns][k][32] from rows (K, D); what is beyond is nought
inline Floats pack_rows(const float *w, int64_t K, int64_t D) {
    const int64_t panels = (D + 31) / 32;
    Floats out(static_cast<size_t>(panels * K * 32));
    for (int64_t panel = 0; panel < panels; ++panel)
        for (int64_t k = 0; k < K; ++k)
            for (int v = 0; v < 32; v += W) {
                const int64_t j = panel * 32 + v;
                store(out.data() + (panel * K + k) * 32 + v, load_some(w + k * D + j, D - j));
            }
    return out;
}

// d_w (K, D) = Σ_m d_y[m]' x[m]: parts share out the columns; rows are summed in blocks, as every weight gradient's
inline void linear_weights(const LinearBack &b, const float *lines, int part, int parts) {
    constexpr int NV = outer_vectors, columns = NV * W;
    const Floats packed(static_cast<size_t>(b.M * columns));
    std::vector<const float *> rows(static_cast<size_t>(b.M + rows_ahead), b.x), list;
    for (int64_t m = 0; m < b.M; ++m) rows[static_cast<size_t>(m)] = b.x + m * b.D;
    const Summed g{b.d_w, nullptr, b.D, b.M};
    for (int64_t column = part * columns; column < b.D; column += parts * columns) {
        const Lines from = lines_of<NV>(rows.data(), b.M, column, b.D, packed.data(), list);
        for (int64_t k = 0; k < b.K; k += outer_lines(NV))
            outer_tile<outer_lines(NV), NV>(lines + k / 16 * b.M * 16 + k % 16, from, b.M, 0, g, k, b.K - k, column);
    }
}

// y = x W' + b, so d_x = d_y W, d_W = d_y' x, d_b = Σ d_y
inline void linear_back(const LinearBack &b, int threads) {
    const int64_t groups = (b.K + 15) / 16;
    const Floats panels = pack_rows(b.w, b.K, b.D), lines(static_cast<size_t>(groups * b.M * 16));  // d_y as [16 of K][m][16]
    for (int64_t group = 0; group < groups; ++group)
        for (int64_t m = 0; m < b.M; ++m)
            for (int v = 0; v < 16; v += W) {
                const int64_t k = group * 16 + v;
                store(lines.data() + (group * b.M + m) * 16 + v, load_some(b.d_y + m * b.K + k, b.K - k));
            }
    std::fill_n(b.d_b, b.K, 0.0f);
    for (int64_t m = 0; m < b.M; ++m)
        for (int64_t k = 0; k < b.K; ++k) b.d_b[k] += b.d_y[m * b.K + k];
    if (!b.M) std::fill_n(b.d_w, b.K * b.D, 0.0f);
    parallel(threads_for_rows(threads, b.M * b.K * b.D / 32), [&](int part, int parts) {
        Product{{b.d_y, b.K, 1, b.K, 0}, panels.data(), b.D, nullptr, 0, b.d_x, b.D}(b.M, b.M, part, parts);
        linear_weights(b, lines.data(), part, parts);
    });
}

inline float highest(const float *row, int64_t K) {
    float most = row[0];
    for (int64_t k = 1; k < K; ++k) most = row[k] > most || row[k] != row[k] ? row[k] : most;
    return most;
}

inline void exp_from(const float *row, float most, float *e, int64_t K) {
    for (int64_t k = 0; k < K; k += W) {
        const Vec y = load_some(row + k, K - k) - set(most);
        store_some(e + k, exp_of_negative(y), K - k);
    }
}

inline float sum(const float *row, int64_t K) {  // one chain, k rising
    float total = 0.0f;
    for (int64_t k = 0; k < K; ++k) total += row[k];
    return total;
}

inline void softmax(float *rows, int64_t M, int64_t K) {
    parallel(1, [&](int, int) {
        for (int64_t m = 0; m < M; ++m, rows += K) {
            exp_from(rows, highest(rows, K), rows, K);
            const Vec total = set(sum(rows, K));
            for (int64_t k = 0; k < K; k += W) store_some(rows + k, load_some(rows + k, K - k) / total, K - k);
        }
    });
}

// ln x for a normal x >= 1: ln(2^e (1 + f)) = e ln 2 + f - f²/2 + f³ p(f); own coefficients, about 1 ulp
inline float log_of(float x) {
    if (!(x < 3e38f)) return x;
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    const uint32_t shifted = bits - 0x3f3504f3u;  // the bits of √½
    const int32_t e = static_cast<int32_t>(shifted) >> 23;
    bits -= static_cast<uint32_t>(e) << 23;
    float m;
    std::memcpy(&m, &bits, 4);
    const float f = m - 1.0f;
    constexpr float p[] = {0.0677323968f, -0.117013814f, 0.118906071f,  -0.124017439f, 0.142187357f,
                           -0.166681701f, 0.200021629f,  -0.250000073f, 0.33333312f};
    float y = p[0];
    for (int i = 1; i < 9; ++i) y = std::fma(y, f, p[i]);
    const float square = f * f, n = static_cast<float>(e);
    y = std::fma(square * f, y, n * 1.42860677e-6f);
    y = std::fma(-0.5f, square, y);
    return std::fma(n, 0.693145752f, f + y);
}

inline void log_softmax(float *rows, int64_t M, int64_t K) {
    parallel(1, [&](int, int) {
        Floats e(static_cast<size_t>(K));
        for (int64_t m = 0; m < M; ++m, rows += K) {
            const float most = highest(rows, K);
            exp_from(rows, most, e.data(), K);
            const Vec less = set(log_of(sum(e.data(), K)));
            for (int64_t k = 0; k < K; k += W)
                store_some(rows + k, (load_some(rows + k, K - k) - set(most)) - less, K - k);
        }
    });
}

// Cross entropy of rows of K scores: Σ_k -q log p, and its gradient p Σ q - q, where q is a row's share of the target:
// 1 - smoothing on its class and smoothing / K on each, times the weights of the classes.
inline double nll(const Nll &loss) {
    double total = 0;
    parallel(1, [&](int, int) {
        const int64_t K = loss.K;
        Floats logs(static_cast<size_t>(K));
        for (int64_t m = 0; m < loss.M; ++m) {
            float *slopes = loss.slopes + m * K, wanted = 0.0f;
            std::copy_n(loss.logits + m * K, K, logs.data());
            log_softmax(logs.data(), 1, K);
            exp_from(logs.data(), 0.0f, slopes, K);
            const auto q = [&](int64_t k) {
                const float even = loss.smoothing / static_cast<float>(K), own = k == loss.targets[m] ? 1.0f - loss.smoothing : 0.0f;
                return (even + own) * (loss.class_weights ? loss.class_weights[k] : 1.0f) * loss.share[m];
            };
            for (int64_t k = 0; k < K; ++k) wanted += q(k);
            for (int64_t k = 0; k < K; ++k) {
                if (const float part = q(k); part != 0.0f) total -= static_cast<double>(part) * static_cast<double>(logs.data()[k]);
                slopes[k] = slopes[k] * wanted - q(k);
            }
        }
    });
    return total;
}

}  // namespace elman::ELMAN_ISA
