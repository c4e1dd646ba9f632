#include "tensors.hpp"

#include <nanobind/ndarray.h>

#include <initializer_list>
#include <memory>

#include "addresses.hpp"
#include "cpp/ragged.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

// DLPack's exchange table, version 1, as far as it is used here: torch 2.10 and later hang it on their tensor's type.
struct View {
    void *data;
    struct { int32_t type, id; } device;
    int32_t dims;
    struct { uint8_t code, bits; uint16_t lanes; } number;
    int64_t *shape, *strides;  // owned by the tensor
    uint64_t byte_offset;
};
struct Exchange {
    struct { uint32_t major, minor; } version;
    Exchange *older;
    void (*allocate)(), (*take)(), (*give)();
    int (*view)(void *tensor, View *out);  // 0, or -1 with a Python error; nothing is owned
    void (*stream)();
};
constexpr int32_t cpu = 1;
constexpr uint8_t whole = 0, floating = 2;

const Exchange *exchange = nullptr;
PyTypeObject *tensor_type = nullptr, *parameter_type = nullptr;

// Remembers the two types whose objects are read, a subclass of which may mean anything; false: torch has no table.
bool open_tensors(nb::handle tensor, nb::handle parameter) {
    const nb::object capsule = nb::getattr(tensor, "__dlpack_c_exchange_api__", nb::none());
    if (!PyCapsule_CheckExact(capsule.ptr())) return false;
    const auto *found = static_cast<const Exchange *>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
    if (!found) throw nb::python_error();
    for (; found && found->version.major > 1;) found = found->older;
    if (!found || found->version.major != 1 || !found->view) return false;
    tensor_type = reinterpret_cast<PyTypeObject *>(tensor.ptr());
    parameter_type = reinterpret_cast<PyTypeObject *>(parameter.ptr());
    exchange = found;
    return true;
}

// A tensor on the CPU in one piece, or none (null, and whatever is asked of it holds); anything else is not `plain`.
class Tensor {
  public:
    explicit Tensor(nb::handle object) : none_(object.is_none()), plain_(none_ || read(object)) {}
    Tensor(const Tensor &) = delete;
    Tensor &operator=(const Tensor &) = delete;

    bool is_none() const { return none_; }
    bool has(int32_t dims, uint8_t code, uint8_t bits) const {
        return plain_ && !none_ && view_.dims == dims && view_.number.code == code && view_.number.bits == bits;
    }
    int64_t size(int32_t dim) const { return view_.shape[dim]; }

    // floats of which the last axes are these; what stands before has one element
    bool is(std::initializer_list<int64_t> shape) const {
        const auto n = static_cast<int32_t>(shape.size());
        if (none_) return true;
        if (!plain_ || view_.dims < n || view_.number.code != floating || view_.number.bits != 32) return false;
        int32_t axis = 0;
        for (; axis < view_.dims - n; ++axis)
            if (view_.shape[axis] != 1) return false;
        for (const int64_t size : shape)
            if (view_.shape[axis++] != size) return false;
        return true;
    }
    uintptr_t at() const { return none_ ? 0 : reinterpret_cast<uintptr_t>(view_.data) + view_.byte_offset; }

  private:
    bool read(nb::handle object) {
        const PyTypeObject *type = Py_TYPE(object.ptr());
        if (type != tensor_type && type != parameter_type) return false;
        if (exchange->view(object.ptr(), &view_) != 0) return PyErr_Clear(), false;
        if (view_.device.type != cpu || view_.number.lanes != 1) return false;
        int64_t next = 1;
        for (int32_t axis = view_.dims - 1; axis >= 0; --axis) {
            if (view_.shape[axis] != 1 && view_.strides[axis] != next) return false;
            next *= view_.shape[axis];
        }
        return true;
    }

    View view_{};
    bool none_, plain_;
};

// What a layer in one direction reads: (x, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0, lengths, ...)
class Given {
  public:
    Given(int cell, const nb::tuple &t)
        : x(t[0]), w_ih(t[1]), w_hh(t[2]), b_ih(t[3]), b_hh(t[4]), h0(t[5]), c0(t[6]), lengths(t[7]),
          symbols(x.has(2, whole, 64)) {
        if (!(symbols || x.has(3, floating, 32)) || !w_ih.has(2, floating, 32) || !w_hh.has(2, floating, 32)) return;
        T = x.size(0), B = x.size(1), D = w_ih.size(1), H = w_hh.size(1);
        const int64_t rows = gates_of(static_cast<Cell>(cell)) * H;
        const bool ends = lengths.is_none() || (lengths.has(1, whole, 64) && lengths.size(0) == B);
        const bool states = cell == static_cast<int>(Cell::lstm) ? h0.is_none() == c0.is_none() : c0.is_none();
        fit = states && (symbols || x.size(2) == D) && w_ih.is({rows, D}) && w_hh.is({rows, H}) && b_ih.is({rows}) && b_hh.is({rows}) &&
              h0.is({B, H}) && c0.is({B, H}) && ends;
    }

    Tensor x, w_ih, w_hh, b_ih, b_hh, h0, c0, lengths;
    bool symbols, fit = false;
    int64_t T = 0, B = 0, D = 0, H = 0;

    uintptr_t numbers_at() const { return symbols ? 0 : x.at(); }
    uintptr_t ids_at() const { return symbols ? x.at() : 0; }
};

// With the state as a layer is given it, (1, B, H), or as a cell is, (B, H).
bool takes(int cell, bool stacked, const nb::tuple &given) {
    if (given.size() != 8) return false;
    const Given g(cell, given);
    const int32_t dims = stacked ? 3 : 2;
    return g.fit && (g.h0.is_none() || g.h0.has(dims, floating, 32)) && (g.c0.is_none() || g.c0.has(dims, floating, 32));
}

// What backward needs is there, or (of a cell that keeps none) is not.
bool keeps(Cell cell, int64_t steps, int64_t H, const Tensor &gates, const Tensor &cells) {
    const int64_t of_gates = kept_gates(cell, H), of_cells = kept_cells(cell, H);
    return gates.is_none() == !of_gates && cells.is_none() == !of_cells && gates.is({steps, of_gates}) && cells.is({steps, of_cells});
}

bool forward_of(int cell, int activation, bool reverse, const nb::tuple &given, const nb::tuple &made, bool keep, int threads) {
    if (given.size() < 8 || made.size() != 5) return false;
    const Given g(cell, given);
    if (!g.fit) return false;
    const Tensor out(made[0]), hn(made[1]), cn(made[2]), gates(made[3]), cells(made[4]);
    const auto kind = static_cast<Cell>(cell);
    const int64_t steps = g.T * g.B;
    const bool there = !out.is_none() && !hn.is_none() && cn.is_none() == (kind != Cell::lstm);
    if (!there || (keep && !keeps(kind, steps, g.H, gates, cells)) || !out.is({g.T, g.B, g.H}) || !hn.is({g.B, g.H}) || !cn.is({g.B, g.H})) return false;
    forward_at(cell, activation, g.T, g.B, g.D, g.H, reverse, false, g.lengths.at(), g.numbers_at(), g.ids_at(), g.w_ih.at(),
               g.w_hh.at(), g.b_ih.at(), g.b_hh.at(), g.h0.at(), g.c0.at(), out.at(), hn.at(), cn.at(), keep, gates.at(), cells.at(),
               threads);
    return true;
}

bool backward_of(int cell, int activation, bool reverse, const nb::tuple &saved, const nb::tuple &grads, const nb::tuple &wanted,
                 int threads) {
    if (saved.size() < 11 || grads.size() != 3 || wanted.size() != 7) return false;
    const Given g(cell, saved);
    if (!g.fit) return false;
    const Tensor out(saved[8]), gates(saved[9]), cells(saved[10]), d_out(grads[0]), d_hn(grads[1]), d_cn(grads[2]);
    const Tensor d_x(wanted[0]), d_w_ih(wanted[1]), d_w_hh(wanted[2]), d_b_ih(wanted[3]), d_b_hh(wanted[4]), d_h0(wanted[5]), d_c0(wanted[6]);
    const auto kind = static_cast<Cell>(cell);
    const int64_t steps = g.T * g.B, rows = gates_of(kind) * g.H;
    const bool read = keeps(kind, steps, g.H, gates, cells) && !out.is_none() && out.is({g.T, g.B, g.H}) && d_out.is({g.T, g.B, g.H}) && d_hn.is({g.B, g.H}) && d_cn.is({g.B, g.H});
    const bool written = d_x.is({g.T, g.B, g.D}) && d_w_ih.is({rows, g.D}) && d_w_hh.is({rows, g.H}) && d_b_ih.is({rows}) &&
                         d_b_hh.is({rows}) && d_h0.is({g.B, g.H}) && d_c0.is({g.B, g.H});
    if (!read || !written) return false;
    backward_at(cell, activation, g.T, g.B, g.D, g.H, reverse, false, g.lengths.at(), g.numbers_at(), g.ids_at(), g.w_ih.at(),
                g.w_hh.at(), g.h0.at(), g.c0.at(), out.at(), gates.at(), cells.at(), d_out.at(), d_hn.at(), d_cn.at(), d_x.at(),
                d_w_ih.at(), d_w_hh.at(), d_b_ih.at(), d_b_hh.at(), d_h0.at(), d_c0.at(), threads);
    return true;
}

// A tensor (M, n) of numbers that stand in memory of ours, which goes back to the shelf with it; not cleared.
nb::ndarray<nb::pytorch, float, nb::ndim<2>> room(int64_t M, int64_t n) {
    auto own = std::make_unique<Floats>(static_cast<size_t>(M * n));
    float *const numbers = own->data();
    const nb::capsule owner(own.get(), [](void *p) noexcept { delete static_cast<Floats *>(p); });
    own.release();
    return {numbers, {static_cast<size_t>(M), static_cast<size_t>(n)}, owner};
}

}  // namespace

void bind_tensors(nb::module_ &module) {
    module.def("open_tensors", &open_tensors, "Tell the types of torch's tensors and parameters; whether the other functions can read them.");
    module.def("takes", &takes, "Whether forward_of takes (x, four weights, h0, c0, lengths): float32 or symbols on the CPU, in one piece.");
    module.def("forward_of", &forward_of, "forward_at for tensors, the last five being written; False: nothing was done, go by addresses.");
    module.def("room", &room, "A fresh tensor (M, n) of float32 whose memory is kept for the next one when it goes.");
    module.def("backward_of", &backward_of, "backward_at for tensors (saved, their gradients, and what is written, None where not wanted).");
}
