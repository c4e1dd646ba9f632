// tanh, sigmoid and exp from single IEEE operations, so that every instruction set gives the same bits.
//
// The coefficients are elman's own (Lawson's iteration on Chebyshev nodes, relative error). The bounds are
// tested over all floats by tests/kernels/cpp/test_math.cpp. NaN stays NaN.
#pragma once

#include "vec.hpp"

#define ELMAN_UNROLL _Pragma("GCC unroll 32")

namespace elman::ELMAN_ISA {

// e^r − 1 = r + r² p(r) for |r| ≤ ln 2 / 2; the fit's relative error is 0.05 · 2⁻²⁴ of e^r.
template <class V>
ELMAN_INLINE V small_expm1(V r) {
    const V u = r * r;
    const V low = fma(set(1.66665201e-1f), r, set(4.99999934e-1f));
    const V high = fma(set(1.3814467e-3f), u, fma(set(8.36878051e-3f), r, set(4.16683942e-2f)));
    return fma(fma(high, u, low), u, r);
}

constexpr float round_to_whole = 12582912.0f;  // 1.5 · 2²³: added and taken away again it leaves a whole number
constexpr float log2_e = 1.44269504f;
constexpr float ln2 = 0.693147181f;
constexpr float ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;  // 11 zero bits: n · ln2_high is exact

// e^y for y ≤ 0, within 1.1 ulp: e^y = 2ⁿ + 2ⁿ (e^r − 1) with y = n ln 2 + r; 0 where it is below the normal floats
template <class V>
ELMAN_INLINE V exp_of_negative(V y) {
    const V shifted = fma(y, set(log2_e), set(round_to_whole));
    const V n = shifted - set(round_to_whole);
    const V r = fma(n, set(-ln2_low), fma(n, set(-ln2_high), y));
    const V power = two_to(shifted);
    return if_less(y, set(-87.33654f), set(0.0f), fma(power, small_expm1(r), power));
}

// r0 (1 + δ + δ²) = 1/d (1 − δ³) with δ = 1 − d r0: a third of the correct digits becomes all of them.
// A division would cost more than the rest of an activation.
template <class V>
ELMAN_INLINE V refined(V r0, V delta) { return fma(r0, fma(delta, delta, delta), r0); }

// 1 / (1 + e) for 0 ≤ e ≤ 1, within 1 ulp: the sum is never rounded
template <class V>
ELMAN_INLINE V one_over_one_plus(V e) {
    V r0 = fma(set(-0.22183717f), e, set(0.665511515f));
    r0 = fma(fma(r0, e, set(-0.942807809f)), e, set(0.99826693f));
    return refined(r0, fma(set(0.0f) - e, r0, set(1.0f) - r0));
}

// 1 / (2 + t) for −1 ≤ t ≤ 0, within 1 ulp: the sum is never rounded
template <class V>
ELMAN_INLINE V one_over_two_plus(V t) {
    const V r0 = fma(fma(t * t, set(-0.22183717f), set(-0.27729629f)), t, set(0.499133465f));
    return refined(r0, fma(set(0.0f) - t, r0, fma(set(-2.0f), r0, set(1.0f))));
}

// 1 / (1 + e⁻ˣ) from e = exp(−|x|), which never overflows: 1 / (1 + e) right of 0, e / (1 + e) left of it
template <class V>
ELMAN_INLINE V sigmoid(V x) {
    const V e = exp_of_negative(negative_abs(x));
    return if_less(x, set(0.0f), e, set(1.0f)) * one_over_one_plus(e);
}

// tanh |x| = −t / (2 + t) with t = e^(−2|x|) − 1 = 2ⁿ (e^r − 1) + (2ⁿ − 1): nothing cancels, near 0 either
template <class V>
ELMAN_INLINE V tanh(V x) {
    const V a = max(set(-9.1f), negative_abs(x));  // from there on the nearest float is 1
    const V shifted = fma(a, set(2 * log2_e), set(round_to_whole));
    const V n = shifted - set(round_to_whole);
    const V r = fma(n, set(-ln2), a + a);  // n is small, so one step is exact enough
    const V power = two_to(shifted);
    const V t = fma(power, small_expm1(r), power - set(1.0f));
    return with_sign_of(x, min(set(1.0f), (set(0.0f) - t) * one_over_two_plus(t)));
}

// N vectors in groups that fit the registers
template <int N, class F>
ELMAN_INLINE void in_groups(Vec (&x)[N], F &&f) {
    constexpr int most = Vec::lanes == 8 ? 3 : 6;
    constexpr int group = N < most ? N : N % most == 0 ? most : N % 4 == 0 ? 4 : N % 3 == 0 ? 3 : N % 2 == 0 ? 2 : 1;
    ELMAN_UNROLL
    for (int k = 0; k < N; k += group) {
        Vecs<group> part;
        ELMAN_UNROLL
        for (int i = 0; i < group; ++i) part.v[i] = x[k + i];
        part = f(part);
        ELMAN_UNROLL
        for (int i = 0; i < group; ++i) x[k + i] = part.v[i];
    }
}
template <int N>
ELMAN_INLINE void sigmoid_all(Vec (&x)[N]) {
    in_groups(x, [](const auto &a) { return sigmoid(a); });
}
template <int N>
ELMAN_INLINE void tanh_all(Vec (&x)[N]) {
    in_groups(x, [](const auto &a) { return tanh(a); });
}

}  // namespace elman::ELMAN_ISA
