// One vector of float32, for the instruction set that this file is compiled for.
//
// ELMAN_ISA_* says which: AVX512, AVX2, NEON, SCALAR. Everything below is in a namespace of its own for each,
// so that the linker never mixes two of them up. The contract of one answer rests on these few lines: every
// operation is a single, correctly rounded IEEE operation, the same on every instruction set, and an fma is
// written out wherever one is meant (the compiler is told to contract nothing).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(ELMAN_ISA_AVX512)
#include <immintrin.h>
#define ELMAN_ISA avx512
#elif defined(ELMAN_ISA_AVX2)
#include <immintrin.h>
#define ELMAN_ISA avx2
#elif defined(ELMAN_ISA_NEON)
#include <arm_neon.h>
#define ELMAN_ISA neon
#else
#define ELMAN_ISA scalar
#endif

#define ELMAN_IN_PLACE __attribute__((always_inline))
#define ELMAN_INLINE inline ELMAN_IN_PLACE

namespace elman::ELMAN_ISA {

// 1.5 · 2²³ and the bias of an exponent: added to n it leaves a whole number, whose lowest bits are those of 2ⁿ's exponent
constexpr float exponents = 12582912.0f + 127.0f;

#if defined(ELMAN_ISA_AVX512)

struct Vec {
    static constexpr int lanes = 16;
    __m512 v;
};
using Mask = __mmask16;

ELMAN_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }
ELMAN_INLINE Vec load(const float *p) { return {_mm512_loadu_ps(p)}; }
ELMAN_INLINE void store(float *p, Vec a) { _mm512_storeu_ps(p, a.v); }
ELMAN_INLINE __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
// n in 1..lanes; what stands beyond the n floats is neither read nor written
ELMAN_INLINE Vec load_n(const float *p, int n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
ELMAN_INLINE void store_n(float *p, Vec a, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
ELMAN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
ELMAN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c − a b
ELMAN_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
ELMAN_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
ELMAN_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
ELMAN_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
// the second operand comes back when either is NaN, so a NaN in b is kept
ELMAN_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
ELMAN_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
ELMAN_INLINE Mask less(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
ELMAN_INLINE Mask is_nan(Vec a) { return _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q); }
ELMAN_INLINE Mask same(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ); }
ELMAN_INLINE Vec select(Mask m, Vec yes, Vec no) { return {_mm512_mask_blend_ps(m, no.v, yes.v)}; }
ELMAN_INLINE Vec negative_abs(Vec a) {
    return {_mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(INT32_MIN)))};
}
ELMAN_INLINE Vec with_sign_of(Vec sign, Vec a) {
    const __m512i s = _mm512_castps_si512(sign.v), b = _mm512_castps_si512(a.v);
    return {_mm512_castsi512_ps(_mm512_ternarylogic_epi32(s, b, _mm512_set1_epi32(INT32_MIN), 0xe4))};
}
// 2^n for a whole number n from -126 to 127 that was added to `exponents`, and 0 for -127
ELMAN_INLINE Vec two_to(Vec n) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(n.v), 23))};
}

// the rows of a square become its columns
ELMAN_INLINE void transpose(Vec (&a)[16]) {
    __m512 b[16], c[16];
    for (int i = 0; i < 16; i += 2)
        b[i] = _mm512_unpacklo_ps(a[i].v, a[i + 1].v), b[i + 1] = _mm512_unpackhi_ps(a[i].v, a[i + 1].v);
    const auto d = [](__m512 x) { return _mm512_castps_pd(x); };
    const auto f = [](__m512d x) { return _mm512_castpd_ps(x); };
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; ++j) {
            c[i + 2 * j] = f(_mm512_unpacklo_pd(d(b[i + j]), d(b[i + 2 + j])));
            c[i + 2 * j + 1] = f(_mm512_unpackhi_pd(d(b[i + j]), d(b[i + 2 + j])));
        }
    for (int j = 0; j < 4; ++j) {  // c[4 g + j]: rows 4 g ... 4 g + 3 of columns j, j + 4, j + 8, j + 12
        const __m512 low = _mm512_shuffle_f32x4(c[j], c[4 + j], 0x88), high = _mm512_shuffle_f32x4(c[8 + j], c[12 + j], 0x88);
        const __m512 low_odd = _mm512_shuffle_f32x4(c[j], c[4 + j], 0xdd), high_odd = _mm512_shuffle_f32x4(c[8 + j], c[12 + j], 0xdd);
        a[j].v = _mm512_shuffle_f32x4(low, high, 0x88), a[8 + j].v = _mm512_shuffle_f32x4(low, high, 0xdd);
        a[4 + j].v = _mm512_shuffle_f32x4(low_odd, high_odd, 0x88), a[12 + j].v = _mm512_shuffle_f32x4(low_odd, high_odd, 0xdd);
    }
}

#elif defined(ELMAN_ISA_AVX2)

struct Vec {
    static constexpr int lanes = 8;
    __m256 v;
};
struct Mask {
    __m256 v;
};

ELMAN_INLINE Vec set(float x) { return {_mm256_set1_ps(x)}; }
ELMAN_INLINE Vec load(const float *p) { return {_mm256_loadu_ps(p)}; }
ELMAN_INLINE void store(float *p, Vec a) { _mm256_storeu_ps(p, a.v); }
ELMAN_INLINE __m256i first_lanes(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
ELMAN_INLINE Vec load_n(const float *p, int n) { return {_mm256_maskload_ps(p, first_lanes(n))}; }
ELMAN_INLINE void store_n(float *p, Vec a, int n) { _mm256_maskstore_ps(p, first_lanes(n), a.v); }
ELMAN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
ELMAN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
ELMAN_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
ELMAN_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
ELMAN_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
ELMAN_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
ELMAN_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
ELMAN_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
ELMAN_INLINE Mask less(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
ELMAN_INLINE Mask is_nan(Vec a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
ELMAN_INLINE Mask same(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
ELMAN_INLINE Vec select(Mask m, Vec yes, Vec no) { return {_mm256_blendv_ps(no.v, yes.v, m.v)}; }
ELMAN_INLINE Vec negative_abs(Vec a) { return {_mm256_or_ps(a.v, _mm256_set1_ps(-0.0f))}; }
ELMAN_INLINE Vec with_sign_of(Vec sign, Vec a) {
    const __m256 bit = _mm256_set1_ps(-0.0f);
    return {_mm256_or_ps(_mm256_andnot_ps(bit, a.v), _mm256_and_ps(bit, sign.v))};
}
ELMAN_INLINE Vec two_to(Vec n) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(n.v), 23))};
}

ELMAN_INLINE void transpose(Vec (&a)[8]) {
    __m256 b[8], c[8];
    for (int i = 0; i < 8; i += 2)
        b[i] = _mm256_unpacklo_ps(a[i].v, a[i + 1].v), b[i + 1] = _mm256_unpackhi_ps(a[i].v, a[i + 1].v);
    const auto d = [](__m256 x) { return _mm256_castps_pd(x); };
    const auto f = [](__m256d x) { return _mm256_castpd_ps(x); };
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; ++j) {
            c[i + 2 * j] = f(_mm256_unpacklo_pd(d(b[i + j]), d(b[i + 2 + j])));
            c[i + 2 * j + 1] = f(_mm256_unpackhi_pd(d(b[i + j]), d(b[i + 2 + j])));
        }
    for (int j = 0; j < 4; ++j) {
        a[j].v = _mm256_permute2f128_ps(c[j], c[4 + j], 0x20);
        a[4 + j].v = _mm256_permute2f128_ps(c[j], c[4 + j], 0x31);
    }
}

#elif defined(ELMAN_ISA_NEON)

struct Vec {
    static constexpr int lanes = 4;
    float32x4_t v;
};
struct Mask {
    uint32x4_t v;
};

ELMAN_INLINE Vec set(float x) { return {vdupq_n_f32(x)}; }
ELMAN_INLINE Vec load(const float *p) { return {vld1q_f32(p)}; }
ELMAN_INLINE void store(float *p, Vec a) { vst1q_f32(p, a.v); }
ELMAN_INLINE Vec load_n(const float *p, int n) {
    float all[4] = {0, 0, 0, 0};
    std::memcpy(all, p, static_cast<size_t>(n) * sizeof(float));
    return load(all);
}
ELMAN_INLINE void store_n(float *p, Vec a, int n) {
    float all[4];
    store(all, a);
    std::memcpy(p, all, static_cast<size_t>(n) * sizeof(float));
}
ELMAN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
ELMAN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {vfmsq_f32(c.v, a.v, b.v)}; }
ELMAN_INLINE Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
ELMAN_INLINE Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
ELMAN_INLINE Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
ELMAN_INLINE Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
ELMAN_INLINE Mask less(Vec a, Vec b) { return {vcltq_f32(a.v, b.v)}; }
ELMAN_INLINE Mask is_nan(Vec a) { return {vmvnq_u32(vceqq_f32(a.v, a.v))}; }
ELMAN_INLINE Mask same(Vec a, Vec b) { return {vceqq_f32(a.v, b.v)}; }
ELMAN_INLINE Vec select(Mask m, Vec yes, Vec no) { return {vbslq_f32(m.v, yes.v, no.v)}; }
ELMAN_INLINE Vec min(Vec a, Vec b) { return select(less(a, b), a, b); }
ELMAN_INLINE Vec max(Vec a, Vec b) { return select(less(b, a), a, b); }
ELMAN_INLINE Vec negative_abs(Vec a) { return {vnegq_f32(vabsq_f32(a.v))}; }
ELMAN_INLINE Vec with_sign_of(Vec sign, Vec a) {
    return {vbslq_f32(vdupq_n_u32(0x80000000u), sign.v, a.v)};
}
ELMAN_INLINE Vec two_to(Vec n) {
    return {vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(n.v), 23))};
}

ELMAN_INLINE void transpose(Vec (&a)[4]) {
    const float32x4x2_t low = vtrnq_f32(a[0].v, a[1].v), high = vtrnq_f32(a[2].v, a[3].v);
    for (int j = 0; j < 2; ++j) {
        a[j].v = vcombine_f32(vget_low_f32(low.val[j]), vget_low_f32(high.val[j]));
        a[2 + j].v = vcombine_f32(vget_high_f32(low.val[j]), vget_high_f32(high.val[j]));
    }
}

#else

struct Vec {
    static constexpr int lanes = 1;
    float v;
};
using Mask = bool;

ELMAN_INLINE Vec set(float x) { return {x}; }
ELMAN_INLINE Vec load(const float *p) { return {*p}; }
ELMAN_INLINE void store(float *p, Vec a) { *p = a.v; }
ELMAN_INLINE Vec load_n(const float *p, int) { return {*p}; }
ELMAN_INLINE void store_n(float *p, Vec a, int) { *p = a.v; }
ELMAN_INLINE Vec fma(Vec a, Vec b, Vec c) { return {std::fma(a.v, b.v, c.v)}; }
ELMAN_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {std::fma(-a.v, b.v, c.v)}; }
ELMAN_INLINE Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
ELMAN_INLINE Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
ELMAN_INLINE Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
ELMAN_INLINE Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
ELMAN_INLINE Vec min(Vec a, Vec b) { return a.v < b.v ? a : b; }
ELMAN_INLINE Vec max(Vec a, Vec b) { return b.v < a.v ? a : b; }
ELMAN_INLINE Mask less(Vec a, Vec b) { return a.v < b.v; }
ELMAN_INLINE Mask is_nan(Vec a) { return a.v != a.v; }
ELMAN_INLINE Mask same(Vec a, Vec b) { return a.v == b.v; }
ELMAN_INLINE Vec select(Mask m, Vec yes, Vec no) { return m ? yes : no; }
ELMAN_INLINE Vec negative_abs(Vec a) { return {-std::fabs(a.v)}; }
ELMAN_INLINE Vec with_sign_of(Vec sign, Vec a) { return {std::copysign(a.v, sign.v)}; }
ELMAN_INLINE Vec two_to(Vec n) {
    uint32_t bits;
    std::memcpy(&bits, &n.v, 4);
    bits <<= 23;
    std::memcpy(&n.v, &bits, 4);
    return n;
}
ELMAN_INLINE void transpose(Vec (&)[1]) {}

#endif

// To memory past the caches, a whole line that begins at p; other threads see it once the thread has ended such stores.
#if defined(ELMAN_ISA_AVX512)
ELMAN_INLINE void store_past(float *p, Vec a) { _mm512_stream_ps(p, a.v); }
ELMAN_INLINE void end_stores_past() { _mm_sfence(); }
#else
ELMAN_INLINE void store_past(float *p, Vec a) { store(p, a); }
ELMAN_INLINE void end_stores_past() {}
#endif

// N vectors that go through the same steps side by side: the processor's scheduler sees work that is ready,
// where one vector alone would wait for each of its steps.
template <int N>
struct Vecs {
    Vec v[N];
};

template <class T>
constexpr int count_of = 0;
template <int N>
constexpr int count_of<Vecs<N>> = N;
template <class... T>
constexpr int most_of = (... + count_of<T>) == 0 ? 0 : [] {
    int n = 0;
    ((n = count_of<T> > n ? count_of<T> : n), ...);
    return n;
}();

ELMAN_INLINE Vec at(Vec a, int) { return a; }
template <int N>
ELMAN_INLINE Vec at(const Vecs<N> &a, int i) { return a.v[i]; }

#define ELMAN_EACH(expression)                            \
    Vecs<N> y;                                            \
    _Pragma("GCC unroll 16") for (int i = 0; i < N; ++i) y.v[i] = expression; \
    return y;

template <class A, class B, class C, int N = most_of<A, B, C>, class = std::enable_if_t<(N > 0)>>
ELMAN_INLINE Vecs<N> fma(const A &a, const B &b, const C &c) { ELMAN_EACH(fma(at(a, i), at(b, i), at(c, i))) }
template <class A, class B, class C, int N = most_of<A, B, C>, class = std::enable_if_t<(N > 0)>>
ELMAN_INLINE Vecs<N> fnma(const A &a, const B &b, const C &c) { ELMAN_EACH(fnma(at(a, i), at(b, i), at(c, i))) }
template <class A, class B, int N = most_of<A, B>, class = std::enable_if_t<(N > 0)>>
ELMAN_INLINE Vecs<N> operator+(const A &a, const B &b) { ELMAN_EACH(at(a, i) + at(b, i)) }
template <class A, class B, int N = most_of<A, B>, class = std::enable_if_t<(N > 0)>>
ELMAN_INLINE Vecs<N> operator-(const A &a, const B &b) { ELMAN_EACH(at(a, i) - at(b, i)) }
template <class A, class B, int N = most_of<A, B>, class = std::enable_if_t<(N > 0)>>
ELMAN_INLINE Vecs<N> operator*(const A &a, const B &b) { ELMAN_EACH(at(a, i) * at(b, i)) }
template <class A, class B, int N = most_of<A, B>, class = std::enable_if_t<(N > 0)>>
ELMAN_INLINE Vecs<N> min(const A &a, const B &b) { ELMAN_EACH(min(at(a, i), at(b, i))) }
template <class A, class B, int N = most_of<A, B>, class = std::enable_if_t<(N > 0)>>
ELMAN_INLINE Vecs<N> max(const A &a, const B &b) { ELMAN_EACH(max(at(a, i), at(b, i))) }
template <int N>
ELMAN_INLINE Vecs<N> negative_abs(const Vecs<N> &a) { ELMAN_EACH(negative_abs(a.v[i])) }
template <int N>
ELMAN_INLINE Vecs<N> two_to(const Vecs<N> &a) { ELMAN_EACH(two_to(a.v[i])) }
template <int N>
ELMAN_INLINE Vecs<N> with_sign_of(const Vecs<N> &sign, const Vecs<N> &a) { ELMAN_EACH(with_sign_of(sign.v[i], a.v[i])) }
// yes where a < b, else no
template <class A, class B, class C, class D>
ELMAN_INLINE auto if_less(const A &a, const B &b, const C &yes, const D &no) {
    if constexpr (most_of<A, B, C, D> == 0) {
        return select(less(a, b), yes, no);
    } else {
        constexpr int N = most_of<A, B, C, D>;
        ELMAN_EACH(select(less(at(a, i), at(b, i)), at(yes, i), at(no, i)))
    }
}

}  // namespace elman::ELMAN_ISA
