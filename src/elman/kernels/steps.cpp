#include "steps.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include "arrays.hpp"
#include "cpp/stepper.hpp"
#include "layer.hpp"
#include "quick.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

using Block = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

Block fresh_block(int64_t columns) {
    auto *memory = new float[static_cast<size_t>(columns) + 1];
    const nb::capsule owner(memory, [](void *p) noexcept { delete[] static_cast<float *>(p); });
    return Block(memory, {1, static_cast<size_t>(columns)}, owner);
}

// What Python steps with. `as_rows` makes float32 (S, D) of whatever else was given, or says what is wrong with it.
class OwnStepper : public Stepper {
  public:
    OwnStepper(Stepper &&stepper, nb::object as_rows)
        : Stepper(std::move(stepper)), as_rows_(std::move(as_rows)), every_(static_cast<size_t>(sessions())) {
        std::iota(every_.begin(), every_.end(), 0);
    }

    nb::object said_to(nb::handle x, bool keep) {
        const Answers::Answer answer = fresh();
        std::optional<Rows2d> in;
        try {
            in.emplace(x, sessions(), features(), PyBUF_CONTIG_RO, "x");
        } catch (const std::exception &) {  // no such array: as_rows_ makes one, or raises; the step is not tried twice
            in.emplace(as_rows_(x), sessions(), features(), PyBUF_CONTIG_RO, "x");
        }
        if (keep) step(in->data(), answer.numbers);
        else step(in->data(), every_.data(), sessions(), answer.numbers, false);
        return answer.array;
    }

    void step_rows(nb::handle x, const Ids &rows, nb::handle answer, bool keep) {
        const auto R = static_cast<int64_t>(rows.size());
        for (int64_t r = 0; r < R; ++r) expect_session(rows.data()[r]);
        if (R > sessions()) throw std::invalid_argument("a session is named twice");
        const Rows2d in(x, R, features(), PyBUF_CONTIG_RO, "x");
        if (answer.is_none()) return step(in.data(), rows.data(), R, nullptr, keep);
        const Rows2d out(answer, R, outputs(), PyBUF_CONTIG, "the answer");
        step(in.data(), rows.data(), R, out.data(), keep);
    }

    void look_up_in_arrays(const nb::tuple &tables) {
        std::vector<Table> found;
        for (const nb::handle table : tables) {
            In rows;
            if (!nb::try_cast(table, rows, false) || rows.ndim() != 2) throw std::invalid_argument("a table is float32 (V, E)");
            const auto V = static_cast<int64_t>(rows.shape(0));
            expect(rows, {V, features()}, "table");
            found.push_back({rows.data(), V});
        }
        look_up_in(std::move(found));
    }

    nb::object said_to_symbol(const std::vector<int64_t> &ids, const Maybe<std::vector<int64_t>> &ends, bool shares) {
        if (sessions() != 1 || tables().empty()) throw std::invalid_argument("one session with tables reads symbols");
        expect_symbol(ids);
        if (ends) expect_symbol(*ends);
        const Answers::Answer answer = fresh();
        read(ids.data(), ends ? ends->data() : nullptr, answer.numbers);
        if (shares) kernels()->softmax(answer.numbers, 1, outputs());
        return answer.array;
    }

    void reset_one(int64_t session) {
        expect_session(session);
        reset(session);
    }

    Block get_state() {
        Block copy = fresh_block(state_size());
        std::memcpy(copy.data(), state(), static_cast<size_t>(state_size()) * sizeof(float));
        return copy;
    }

    void set_state(const In &block) {
        expect(block, {1, state_size()}, "state");
        std::memcpy(state(), block.data(), static_cast<size_t>(state_size()) * sizeof(float));
    }

  private:
    Answers::Answer fresh() { return answers_.next(sessions(), outputs()); }

    void expect_session(int64_t session) const {
        if (session < 0 || session >= sessions()) throw std::invalid_argument("there is no such session");
    }

    void expect_symbol(const std::vector<int64_t> &ids) const {
        if (ids.size() != tables().size()) throw std::invalid_argument("one id for each table");
        for (size_t g = 0; g < ids.size(); ++g) expect_ids(ids.data() + g, 1, tables()[g].V);
    }

    nb::object as_rows_;
    std::vector<int64_t> every_;
    Answers answers_;
};

// The weights of one layer: cell, nonlinearity, w_ih, w_hh, b_ih, b_hh.
Packed packed_from(nb::handle layer) {
    nb::tuple t;
    if (!nb::try_cast(layer, t)) throw std::invalid_argument("a layer is a tuple");
    std::string cell, nonlinearity;
    In w_ih, w_hh;
    Maybe<In> b_ih, b_hh;
    const bool fits = nb::len(t) == 6 && nb::try_cast(t[0], cell) && nb::try_cast(t[1], nonlinearity) && nb::try_cast(t[2], w_ih) &&
                      nb::try_cast(t[3], w_hh) && nb::try_cast(t[4], b_ih) && nb::try_cast(t[5], b_hh);
    if (!fits) throw std::invalid_argument("a layer is cell, nonlinearity and four float32 weights");
    return Layer(cell, nonlinearity, w_ih, w_hh, b_ih, b_hh).packed;
}

std::vector<Packed> packed_layers(const nb::list &layers, int64_t sessions) {
    std::vector<Packed> packed;
    for (const nb::handle layer : layers) packed.push_back(packed_from(layer));
    if (packed.empty() || sessions < 1) throw std::invalid_argument("a stepper has at least one layer and one session");
    for (size_t n = 1; n < packed.size(); ++n)
        if (packed[n].D != packed[n - 1].H) throw std::invalid_argument("a layer does not read what the one below gives");
    return packed;
}

Pool pool_named(const std::string &name) {
    if (name == "last") return Pool::last;
    if (name == "mean") return Pool::mean;
    if (name == "max") return Pool::max;
    if (name == "sum") return Pool::sum;
    throw std::invalid_argument("no pooling is called " + name);
}

std::unique_ptr<OwnStepper> stepper(const nb::list &layers, const std::vector<std::string> &pools, float shortcut,
                                    const In &head, const In &head_bias, int64_t sessions, const nb::object &as_rows) {
    std::vector<Packed> packed = packed_layers(layers, sessions);
    std::vector<Pool> kinds;
    for (const std::string &name : pools) kinds.push_back(pool_named(name));
    const int64_t H = packed.back().H;
    const int64_t read = kinds.empty() ? H : H * static_cast<int64_t>(kinds.size()) + (shortcut != 0.0f ? packed[0].D : 0);
    if (head.ndim() != 2 || !head.shape(0)) throw std::invalid_argument("the head has two dimensions and answers something");
    const auto K = static_cast<int64_t>(head.shape(0));
    expect(head, {K, read}, "head.weight"), expect(head_bias, {K}, "head.bias");
    return std::make_unique<OwnStepper>(
        Stepper(std::move(packed), std::move(kinds), shortcut, head.data(), head_bias.data(), K, sessions), as_rows);
}

}  // namespace

void bind_stepper(nb::module_ &module) {
    nb::class_<OwnStepper>(module, "Stepper")
        .def(nb::new_(&stepper))
        .def("step", [](OwnStepper &self, nb::handle x) { return self.said_to(x, true); }, nb::arg("x").none())
        .def("peek", [](OwnStepper &self, nb::handle x) { return self.said_to(x, false); }, nb::arg("x").none())
        .def("step_rows", &OwnStepper::step_rows, any, just, nb::arg().none(), any)
        .def("look_up_in", &OwnStepper::look_up_in_arrays, nb::keep_alive<1, 2>())
        .def("read", &OwnStepper::said_to_symbol, any, nb::arg().none(), any)
        .def("reset", [](OwnStepper &self) { self.reset(); })
        .def("reset_one", &OwnStepper::reset_one)
        .def("get_state", &OwnStepper::get_state)
        .def("set_state", &OwnStepper::set_state, just)
        .def_prop_ro("outputs", &Stepper::outputs)
        .def_prop_ro("state_size", &Stepper::state_size)
        .def_prop_ro("widths", &Stepper::widths);
}
