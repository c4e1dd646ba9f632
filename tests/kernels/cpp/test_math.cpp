// The bounds that math.hpp promises, against double precision: every STEP-th float (1: all of them).
#include <cstdio>
#include <initializer_list>
#include <cstdlib>
#include <limits>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#include "math.hpp"

using namespace elman::ELMAN_ISA;

namespace {

float from_bits(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

double ulp_of(double value) {
    if (std::fabs(value) < 1.17549435e-38) return 1.40129846e-45;
    int exponent;
    std::frexp(value, &exponent);
    return std::ldexp(1.0, exponent - 24);
}

struct Worst {
    double error = 0, at = 0;
    void see(double got, double wanted, float x) {
        const double ulps = std::fabs(got - wanted) / ulp_of(wanted);
        if (!(ulps <= error)) error = ulps, at = x;
    }
};

int failures = 0;

void expect(bool holds, const char *what) {
    if (!holds) ++failures, std::printf("FAILED: %s\n", what);
}

float lane(Vec a) {
    float all[Vec::lanes];
    store(all, a);
    return all[0];
}

}  // namespace

int main(int argc, char **argv) {
#if defined(__SSE__)
    _mm_setcsr(_mm_getcsr() | 0x8040u);  // denormals are noughts, as wherever a kernel runs
#endif
    const uint32_t step = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 4099;
    Worst t, s, e;
    bool bounded = true, odd = true;
    long down = 0;
    float before = -2;
    for (uint64_t bits = 0; bits <= 0x7f800000u; bits += step) {
        const float x = from_bits(static_cast<uint32_t>(bits));
        const bool denormal = x < std::numeric_limits<float>::min();
        const float th = lane(tanh(set(x)));
        t.see(th, std::tanh(static_cast<double>(x)), x);
        bounded = bounded && th <= 1.0f;
        odd = odd && lane(tanh(set(-x))) == -th;
        if (th < before) ++down;
        before = th;
        s.see(lane(sigmoid(set(x))), 1 / (1 + std::exp(-static_cast<double>(x))), x);
        const double left = std::exp(-static_cast<double>(x)) / (1 + std::exp(-static_cast<double>(x)));
        if (left >= std::numeric_limits<float>::min()) s.see(lane(sigmoid(set(-x))), left, -x);
        const double power = std::exp(-static_cast<double>(x));
        if (x <= 87.33f && !denormal)
            e.see(lane(exp_of_negative(set(-x))), power, -x);
        if (x > 87.3366f) expect(lane(exp_of_negative(set(-x))) == 0.0f, "exp far left is nought");
    }
    std::printf("tanh %.2f ulp at %g, %ld times not monotone; sigmoid %.2f ulp at %g; exp %.2f ulp at %g\n",
                t.error, t.at, down, s.error, s.at, e.error, e.at);
    expect(t.error <= 2.5, "tanh within 2.5 ulp");
    expect(s.error <= 3.0, "sigmoid within 3 ulp");
    expect(e.error <= 1.1, "exp within 1.1 ulp");
    expect(down <= 1, "tanh never decreases, one float aside");
    expect(bounded, "|tanh| <= 1");
    expect(odd, "tanh is odd");
    for (uint32_t nan : {0x7fc00000u, 0x7fc00001u, 0xffc12345u, 0x7f800001u}) {
        expect(std::isnan(lane(tanh(set(from_bits(nan))))), "tanh keeps NaN");
        expect(std::isnan(lane(sigmoid(set(from_bits(nan))))), "sigmoid keeps NaN");
        expect(std::isnan(lane(exp_of_negative(set(from_bits(nan))))), "exp keeps NaN");
    }
    const float inf = std::numeric_limits<float>::infinity();
    expect(lane(tanh(set(inf))) == 1 && lane(tanh(set(-inf))) == -1, "tanh of infinity");
    expect(lane(sigmoid(set(inf))) == 1 && lane(sigmoid(set(-inf))) == 0, "sigmoid of infinity");
    return failures != 0;
}
