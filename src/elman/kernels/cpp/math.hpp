// tanh, sigmoid and exp from single IEEE operations, so that every instruction set gives the same bits.
//
// The coefficients are elman's own (Lawson's iteration on Chebyshev nodes, relative error). The bounds are
// tested over all floats by tests/kernels/cpp/test_math.cpp. NaN stays NaN.
#pragma once

#include "vec.hpp"

namespace elman::ELMAN_ISA {

// exp of a number that is not above 0, within 1 ulp; 0 where the true value is below the normal floats.
ELMAN_INLINE Vec exp_of_negative(Vec y) {
    constexpr float lowest = -87.3365f;  // exp of it is the smallest normal float
    constexpr float log2_e = 1.44269504f;
    constexpr float ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;  // 11 zero bits: n · ln2_high is exact
    const Vec round_to_whole = set(12582912.0f);                       // 1.5 · 2²³
    const Vec shifted = fma(max(set(lowest), y), set(log2_e), round_to_whole);
    const Vec n = shifted - round_to_whole;
    Vec r = fma(n, set(-ln2_high), y);
    r = fma(n, set(-ln2_low), r);
    Vec p = fma(set(1.3814467e-3f), r, set(8.36878051e-3f));
    p = fma(p, r, set(4.16683942e-2f));
    p = fma(p, r, set(1.66665201e-1f));
    p = fma(p, r, set(4.99999934e-1f));
    const Vec e = set(1.0f) + fma(p, r * r, r);
    const Vec scaled = select(less(y, set(lowest)), set(0.0f), scale_by_two_to(e, shifted));
    return select(is_nan(y), y, scaled);
}

// 1 / (1 + e⁻ˣ) from e = exp(−|x|), which never overflows: 1 / (1 + e) right of 0, e / (1 + e) left of it.
ELMAN_INLINE Vec sigmoid(Vec x) {
    const Vec e = exp_of_negative(negative_abs(x));
    return select(less(x, set(0.0f)), e, set(1.0f)) / (set(1.0f) + e);
}

// Near 0 an odd polynomial; beyond, 1 − 2t / (1 + t) with t = exp(−2|x|), whose rounding errors shrink with t.
ELMAN_INLINE Vec tanh(Vec x) {
    const Vec u = x * x;
    Vec p = fma(set(-6.27423737e-3f), u, set(2.10716776e-2f));
    p = fma(p, u, set(-5.38523096e-2f));
    p = fma(p, u, set(1.33325861e-1f));
    p = fma(p, u, set(-3.33333176e-1f));
    const Vec near = fma(x * u, p, x);
    const Vec a = negative_abs(x), t = exp_of_negative(a + a);
    const Vec far = with_sign_of(x, set(1.0f) - (t + t) / (set(1.0f) + t));
    return select(less(set(-0.55f), a), near, far);
}

}  // namespace elman::ELMAN_ISA
