// tanh, sigmoid and exp from single IEEE operations, so that every instruction set gives the same bits.
//
// The coefficients are elman's own (Lawson's iteration on Chebyshev nodes, relative error). The bounds are
// tested over all floats by tests/kernels/cpp/test_math.cpp. NaN stays NaN.
#pragma once

#include "vec.hpp"

namespace elman::ELMAN_ISA {

// e^r − 1 = r + r² p(r) for |r| ≤ ln 2 / 2; the fit's relative error is 0.05 · 2⁻²⁴ of e^r.
ELMAN_INLINE Vec small_expm1(Vec r) {
    const Vec u = r * r;
    const Vec low = fma(set(1.66665201e-1f), r, set(4.99999934e-1f));
    const Vec high = fma(set(1.3814467e-3f), u, fma(set(8.36878051e-3f), r, set(4.16683942e-2f)));
    return fma(fma(high, u, low), u, r);
}

constexpr float round_to_whole = 12582912.0f;  // 1.5 · 2²³: added and taken away again it leaves a whole number
constexpr float log2_e = 1.44269504f;
constexpr float ln2 = 0.693147181f;
constexpr float ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;  // 11 zero bits: n · ln2_high is exact

// e^y for −87 ≤ y ≤ 88, within 1 ulp: e^y = 2ⁿ e^r with y = n ln 2 + r
ELMAN_INLINE Vec exp_in_range(Vec y) {
    const Vec shifted = fma(y, set(log2_e), set(round_to_whole));
    const Vec n = shifted - set(round_to_whole);
    const Vec r = fma(n, set(-ln2_low), fma(n, set(-ln2_high), y));
    return (set(1.0f) + small_expm1(r)) * two_to(shifted);
}

// e^y for y ≤ 0; 0 from −87 down, which is near the end of the normal floats
ELMAN_INLINE Vec exp_of_negative(Vec y) {
    return select(less(y, set(-87.0f)), set(0.0f), exp_in_range(y));
}

// 1 / (1 + e^−x): where e^−x ends, at 88, the answer is below the normal floats, hence nought
ELMAN_INLINE Vec sigmoid(Vec x) {
    const Vec y = max(set(-87.0f), min(set(88.0f), set(0.0f) - x));
    return set(1.0f) / (set(1.0f) + exp_in_range(y));
}

// tanh |x| = −t / (2 + t) with t = e^(−2|x|) − 1 = 2ⁿ (e^r − 1) + (2ⁿ − 1): nothing cancels, near 0 either
ELMAN_INLINE Vec tanh(Vec x) {
    const Vec a = max(set(-9.1f), negative_abs(x));  // from there on the nearest float is 1
    const Vec shifted = fma(a, set(2 * log2_e), set(round_to_whole));
    const Vec n = shifted - set(round_to_whole);
    const Vec r = fma(n, set(-ln2), a + a);  // n is small, so one step is exact enough
    const Vec power = two_to(shifted);
    const Vec t = fma(power, small_expm1(r), power - set(1.0f));
    return with_sign_of(x, (set(0.0f) - t) / (set(2.0f) + t));
}

}  // namespace elman::ELMAN_ISA
