// NumPy's arrays as the boundary takes them: contiguous, on the CPU, and of just the shape that a call needs.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>

namespace elman {

using In = nanobind::ndarray<const float, nanobind::c_contig, nanobind::device::cpu>;
using Out = nanobind::ndarray<float, nanobind::c_contig, nanobind::device::cpu>;
using Ids = nanobind::ndarray<const int64_t, nanobind::c_contig, nanobind::device::cpu>;
using Places = nanobind::ndarray<int64_t, nanobind::c_contig, nanobind::device::cpu>;
using Flags = nanobind::ndarray<const uint8_t, nanobind::c_contig, nanobind::device::cpu>;
template <class A>
using Maybe = std::optional<A>;

// How an argument is taken: converted if need be; just as it is, for a copy would be written to in vain; the same, or None.
inline const auto any = nanobind::arg();
inline const auto just = nanobind::arg().noconvert();
inline const auto maybe = nanobind::arg().noconvert().none();

// Every array has just the shape that the call needs, or nothing is read: the one rule of this boundary.
template <class A>
void expect(const A &a, std::initializer_list<int64_t> shape, const char *name) {
    bool same = a.ndim() == shape.size();
    size_t axis = 0;
    for (const int64_t n : shape) same = same && static_cast<int64_t>(a.shape(axis++)) == n;
    if (same) return;
    std::string wanted, given;
    for (const int64_t n : shape) wanted += (wanted.empty() ? "" : ", ") + std::to_string(n);
    for (size_t i = 0; i < a.ndim(); ++i) given += (i ? ", " : "") + std::to_string(a.shape(i));
    throw std::invalid_argument(std::string(name) + " has shape (" + given + "), expected (" + wanted + ")");
}

// The numbers of an array that may be left out, then null.
template <class A>
auto data(const Maybe<A> &a, std::initializer_list<int64_t> shape, const char *name) -> decltype(a->data()) {
    if (!a) return nullptr;
    expect(*a, shape, name);
    return a->data();
}

inline void expect_lengths(const Maybe<Ids> &lengths, int64_t T, int64_t B) {
    if (!lengths) return;
    expect(*lengths, {B}, "lengths");
    for (int64_t b = 0; b < B; ++b)
        if (lengths->data()[b] < 0 || lengths->data()[b] > T) throw std::invalid_argument("a length is not between 0 and T");
}

inline void expect_ids(const int64_t *ids, int64_t n, int64_t size) {
    for (int64_t i = 0; i < n; ++i)
        if (ids[i] < 0 || ids[i] >= size) throw std::invalid_argument("an id is outside its table");
}

}  // namespace elman
