// Arrays for a step, which takes less time than nanobind::ndarray needs for one.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"

namespace elman {

// float32 rows of somebody's array, held while this lives. A quarter of what nanobind::ndarray costs.
class Rows2d {
  public:
    Rows2d(nanobind::handle array, int64_t rows, int64_t columns, int flags, const char *name) {
        if (PyObject_GetBuffer(array.ptr(), &view_, flags | PyBUF_FORMAT)) throw nanobind::python_error();
        const bool fits = view_.ndim == 2 && view_.shape[0] == rows && view_.shape[1] == columns;
        if (fits && view_.itemsize == 4 && view_.format && !std::strcmp(view_.format, "f")) return;
        PyBuffer_Release(&view_);
        throw std::invalid_argument(std::string(name) + " is not float32 (" + std::to_string(rows) + ", " + std::to_string(columns) + ")");
    }
    ~Rows2d() { PyBuffer_Release(&view_); }
    Rows2d(const Rows2d &) = delete;
    Rows2d &operator=(const Rows2d &) = delete;
    float *data() const { return static_cast<float *>(view_.buf); }

  private:
    Py_buffer view_;
};

// Fresh arrays (S, K) to answer in: the rows of a larger one, made by the hundred, whose addresses need no asking.
class Answers {
  public:
    struct Answer {
        nanobind::object array;
        float *numbers;
    };
    Answer next(int64_t S, int64_t K) {
        if (left_.empty()) make(std::max<int64_t>(1, 1024 / (S * K)), S, K);
        nanobind::object array = std::move(left_.back());
        left_.pop_back();
        return {std::move(array), first_ + static_cast<int64_t>(left_.size()) * S * K};
    }

  private:
    // Python may let another thread in at every call: the arrays and where they begin change together, at the end
    void make(int64_t n, int64_t S, int64_t K) {
        const nanobind::object all = nanobind::module_::import_("numpy").attr("empty")(nanobind::make_tuple(n, S, K), "float32");
        float *const first = nanobind::cast<nanobind::ndarray<float, nanobind::c_contig, nanobind::device::cpu>>(all).data();
        std::vector<nanobind::object> arrays;
        for (const nanobind::handle array : all) arrays.push_back(nanobind::borrow(array));
        left_.swap(arrays), first_ = first;
    }
    std::vector<nanobind::object> left_;
    float *first_ = nullptr;
};

}  // namespace elman
