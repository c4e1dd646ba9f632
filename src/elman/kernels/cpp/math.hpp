// tanh, sigmoid and exp from single IEEE operations, so that every instruction set gives the same bits.
//
// The coefficients are elman's own (Lawson's iteration on Chebyshev nodes, relative error). The bounds are
// tested over all floats by tests/kernels/cpp/test_math.cpp. NaN stays NaN.
#pragma once

#include "vec.hpp"

#define ELMAN_UNROLL _Pragma("GCC unroll 32")

namespace elman::ELMAN_ISA {

// (e^(m r) − 1) / m = r + m r² p(m r) for |m r| ≤ ln 2 / 2; the fit's relative error is 0.05 · 2⁻²⁴ of e^(m r).
// m is a power of two, so that its products with the coefficients are exact.
template <int m, class V>
ELMAN_INLINE V small_expm1(V r) {
    constexpr float m2 = m * m, m3 = m * m2, m4 = m * m3, m5 = m * m4;
    const V u = r * r;
    const V low = fma(set(m2 * 1.66665201e-1f), r, set(m * 4.99999934e-1f));
    const V high = fma(set(m5 * 1.3814467e-3f), u, fma(set(m4 * 8.36878051e-3f), r, set(m3 * 4.16683942e-2f)));
    return fma(fma(high, u, low), u, r);
}

constexpr float log2_e = 1.44269504f;
constexpr float ln2 = 0.693147181f;
constexpr float ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;  // 11 zero bits: n · ln2_high is exact

// e^y for y ≤ 0, within 1.1 ulp: e^y = 2ⁿ + 2ⁿ (e^r − 1) with y = n ln 2 + r; 0 where it is below the normal floats
template <class V>
ELMAN_INLINE V exp_of_negative(V y) {
    const V a = max(set(-88.0f), y);  // 2ⁿ is 0 there; a bit further right the last sum is denormal, hence 0
    const V shifted = fma(a, set(log2_e), set(exponents));
    const V n = shifted - set(exponents);
    const V r = fnma(n, set(ln2_low), fnma(n, set(ln2_high), a));
    const V power = two_to(shifted);
    return fma(power, small_expm1<1>(r), power);
}

// 1 / (1 + e) from its start r0, within 1 ulp: the sum is never rounded, and a third of the correct digits becomes
// all of them: r0 (1 + δ + δ²) = (1 − δ³) / (1 + e) with δ = 1 − (1 + e) r0.
// A division would cost more than the rest of an activation.
template <class V>
ELMAN_INLINE V one_over_one_plus(V e, V r0) {
    const V delta = fnma(e, r0, set(1.0f) - r0);
    return fma(r0, fma(delta, delta, delta), r0);
}

// 1 / (1 + e⁻ˣ) from e = exp(−|x|), which never overflows: 1 / (1 + e) right of 0, e / (1 + e) left of it
template <class V>
ELMAN_INLINE V sigmoid(V x) {
    const V e = exp_of_negative(negative_abs(x));
    const V low = fma(set(-0.22183717f), e, set(0.665511515f));
    const V right = one_over_one_plus(e, fma(fma(low, e, set(-0.942807809f)), e, set(0.99826693f)));
    return if_less(x, set(0.0f), e * right, right);
}

// tanh |x| = −t / (1 + t) with t = (e^(−2|x|) − 1) / 2 = 2ⁿ (e^(2r) − 1) / 2 + (2ⁿ − 1) / 2: nothing cancels, near 0 either
template <class V>
ELMAN_INLINE V tanh(V x) {
    const V a = max(set(-9.1f), negative_abs(x));  // from there on the nearest float is 1
    const V shifted = fma(a, set(2 * log2_e), set(exponents));
    const V n = shifted - set(exponents);
    const V r = fnma(n, set(ln2 / 2), a);  // n is small, so one step is exact enough
    const V power = two_to(shifted);
    const V t = fma(power, small_expm1<2>(r), fma(power, set(0.5f), set(-0.5f)));
    const V r0 = fma(fma(t * t, set(16 * -0.22183717f), set(4 * -0.27729629f)), t, set(2 * 0.499133465f));
    return with_sign_of(x, t * one_over_one_plus(t, r0));
}

template <int N, class F>
ELMAN_INLINE void side_by_side(Vec *x, F &&f) {
    Vecs<N> some;
    ELMAN_UNROLL
    for (int i = 0; i < N; ++i) some.v[i] = x[i];
    some = f(some);
    ELMAN_UNROLL
    for (int i = 0; i < N; ++i) x[i] = some.v[i];
}
template <int N>
__attribute__((noinline)) void sigmoid_of(Vec *x) {
    side_by_side<N>(x, [](const auto &some) ELMAN_IN_PLACE { return sigmoid(some); });
}
template <int N>
__attribute__((noinline)) void tanh_of(Vec *x) {
    side_by_side<N>(x, [](const auto &some) ELMAN_IN_PLACE { return tanh(some); });
}

// N vectors in groups that fit the registers, as few as possible and as even: a small one would wait for itself. A group is
// fetched from memory, where what waits for its turn takes no register; one row would wait for that.
constexpr int in_place = 3;
template <int N, class F>
ELMAN_INLINE void in_groups(F &&of) {
    constexpr int most = Vec::lanes == 8 ? 3 : 6;
    constexpr int groups = (N + most - 1) / most, small = N / groups, at_large = N % groups * (small + 1);
    if constexpr (at_large > 0) {
        _Pragma("GCC unroll 1")
        for (int k = 0; k < at_large; k += small + 1) of(std::integral_constant<int, small + 1>(), k);
    }
    _Pragma("GCC unroll 1")
    for (int k = at_large; k < N; k += small) of(std::integral_constant<int, small>(), k);
}
template <int N>
ELMAN_INLINE void sigmoid_all(Vec (&x)[N]) {
    if constexpr (N <= in_place) side_by_side<N>(x, [](const auto &some) ELMAN_IN_PLACE { return sigmoid(some); });
    else in_groups<N>([&](auto group, int k) ELMAN_IN_PLACE { sigmoid_of<group>(x + k); });
}
template <int N>
ELMAN_INLINE void tanh_all(Vec (&x)[N]) {
    if constexpr (N <= in_place) side_by_side<N>(x, [](const auto &some) ELMAN_IN_PLACE { return tanh(some); });
    else in_groups<N>([&](auto group, int k) ELMAN_IN_PLACE { tanh_of<group>(x + k); });
}

}  // namespace elman::ELMAN_ISA
