// The boundary between Python and the kernels: checks what comes, owns what is kept, and lets other threads run. Here
// is the module itself; each door to it binds its own functions.
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include "addresses.hpp"
#include "answers.hpp"
#include "cpp/kernels.hpp"
#include "packing.hpp"
#include "pooling.hpp"
#include "rows.hpp"
#include "scans.hpp"
#include "steps.hpp"
#include "tensors.hpp"

namespace nb = nanobind;
using namespace elman;

namespace {

constexpr int abi = 11;  // the boundary between Python and C++; kernels/native.py names the same number
constexpr const char *version = ELMAN_VERSION;  // the package's own, from pyproject.toml by way of CMake

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define ELMAN_HAS(feature) (__builtin_cpu_supports(feature) != 0)
#else
#define ELMAN_HAS(feature) false
#endif

#if defined(__ARM_NEON) || defined(__aarch64__) || defined(_M_ARM64)
constexpr bool neon = true;  // every 64-bit ARM processor has it
#else
constexpr bool neon = false;
#endif

nb::dict cpu_features() {
    nb::dict features;
    features["avx2"] = ELMAN_HAS("avx2");
    features["fma"] = ELMAN_HAS("fma");
    features["avx512f"] = ELMAN_HAS("avx512f");
    features["neon"] = neon;
    return features;
}

}  // namespace

NB_MODULE(_native, module) {
    nb::set_leak_warnings(false);  // a model may live until the process ends
    module.attr("abi") = abi;
    module.attr("version") = version;
    module.def("cpu_features", &cpu_features, "Which vector instructions this processor has: {name: bool}.");
    module.def("isa", [] { return kernels()->name; }, "The instruction set in use.");
    module.def("isas", &kernels_available, "The instruction sets that this processor has, the best first.");
    module.def("choose", &choose_kernels, "Use the instruction set of this name; False if it is not there.");
    module.def("set_poison", [](bool on) { poison = on; }, "Fill fresh memory with NaN, to prove that nothing reads it.");
    bind_scans(module);
    bind_pooling(module);
    bind_answers(module);
    bind_rows(module);
    bind_packing(module);
    bind_addresses(module);
    bind_tensors(module);
    bind_stepper(module);
}
