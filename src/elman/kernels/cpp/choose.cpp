// Which instruction set is used: the best that this processor has, or the one that ELMAN_ISA names.
#include <cstdlib>
#include <cstring>

#include "kernels.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#define ELMAN_X86 1
#endif
#if defined(__aarch64__)
#define ELMAN_ARM 1
#endif

namespace elman {
#if ELMAN_X86
namespace avx512 { extern const Kernels table; }
namespace avx2 { extern const Kernels table; }
#endif
#if ELMAN_ARM
namespace neon { extern const Kernels table; }
#endif
namespace scalar { extern const Kernels table; }

namespace {
std::vector<const Kernels *> found() {
    std::vector<const Kernels *> all;
#if ELMAN_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) all.push_back(&avx512::table);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) all.push_back(&avx2::table);
#endif
#if ELMAN_ARM
    all.push_back(&neon::table);
#endif
    all.push_back(&scalar::table);
    return all;
}

const Kernels *first_choice() {
    const char *wanted = std::getenv("ELMAN_ISA");
    for (const Kernels *k : found())
        if (!wanted || std::strcmp(k->name, wanted) == 0) return k;
    return found().front();
}

const Kernels *&chosen() {
    static const Kernels *k = first_choice();
    return k;
}

// whether a user asked for one by its name
bool &named() {
    static bool yes = std::getenv("ELMAN_ISA") && *std::getenv("ELMAN_ISA");
    return yes;
}

// Multiply-adds of a call below which the widest vectors are not worth it: many processors lower their clock for
// milliseconds when they meet them, and whatever called us pays for it.
constexpr double worth_512 = 1e5;
// Gradients of so few units fill no more than half of the widest vectors, and take as long in the narrow ones, at their
// higher clock.
constexpr int64_t half_full = 8;
}  // namespace

const Kernels *kernels() { return chosen(); }

const Kernels *kernels_for(double multiply_adds, int64_t H, bool gradients) {
#if ELMAN_X86
    const bool narrow = multiply_adds < worth_512 || (gradients && H <= half_full);
    if (narrow && chosen() == &avx512::table && !named()) return &avx2::table;
#endif
    return chosen();
}

bool choose_kernels(const char *name) {
    named() = *name != '\0';
    for (const Kernels *k : found())
        if (!named() || std::strcmp(k->name, name) == 0) return chosen() = k, true;
    return false;
}

std::vector<const char *> kernels_available() {
    std::vector<const char *> names;
    for (const Kernels *k : found()) names.push_back(k->name);
    return names;
}


int64_t gate_width(Cell cell, int64_t H) {
    return cell == Cell::rnn ? (H + 31) / 32 * 32 : (H + 15) / 16 * 64;
}
}  // namespace elman
