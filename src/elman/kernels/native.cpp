// The compiled part of elman. It holds no arithmetic yet: it tells what the processor can do.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

namespace {

constexpr int abi = 1;  // the boundary between Python and C++; kernels/native.py names the same number
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
    module.attr("abi") = abi;
    module.attr("version") = version;
    module.def("cpu_features", &cpu_features, "Which vector instructions this processor has: {name: bool}.");
}
