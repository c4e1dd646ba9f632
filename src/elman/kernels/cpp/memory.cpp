// Memory for floats: in large pages where it is large, and kept for the next call when one is done with it.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>

#include "kernels.hpp"

namespace elman {
namespace {

// The whole pages of some memory. The system rounds up what it is told of to pages of its own, which differ from machine to
// machine: beyond the end it would take somebody else's numbers.
struct Pages {
    static uintptr_t size() {
        static const auto size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
        return size;
    }
    Pages(const float *from, uintptr_t to)
        : begin((reinterpret_cast<uintptr_t>(from) + size() - 1) / size() * size()), end(std::max(begin, to / size() * size())) {}
    bool advise(int how) const { return begin == end || madvise(reinterpret_cast<void *>(begin), end - begin, how) == 0; }
    const uintptr_t begin, end;
};

// What malloc gave, and where the floats in it stand: behind two words, malloc's pointer and how much it gave.
struct Block {
    void *whole = nullptr;
    size_t bytes = 0;

    float *floats() const { return reinterpret_cast<float *>((reinterpret_cast<uintptr_t>(whole) + 64 + 63) / 64 * 64); }
    static Block of(float *floats) { return {reinterpret_cast<void **>(floats)[-1], reinterpret_cast<size_t *>(floats)[-2]}; }
    void note() const { reinterpret_cast<void **>(floats())[-1] = whole, reinterpret_cast<size_t *>(floats())[-2] = bytes; }
    uintptr_t end() const { return reinterpret_cast<uintptr_t>(whole) + bytes; }
};

// The system may take the pages of the floats when it is short of memory, without writing them anywhere. Until then the
// next call finds them as they are; false: this system does not know of that.
bool offer_to_system(const Block &block) {
#if defined(MADV_FREE)
    return Pages(block.floats(), block.end()).advise(MADV_FREE);
#else
    static_cast<void>(block);
    return false;
#endif
}

// Large blocks that were freed lately: what a call needs, the next one needs too, and fresh pages cost more than the
// work on them. Some stay just as they are; what is beyond that stays too, but the system may take it at any time.
// Whoever finds the shelf in use goes without.
class Shelf {
  public:
    Block take(size_t bytes) {
        if (bytes < least || in_use_.test_and_set(std::memory_order_acquire)) return {};
        Kept *best = nullptr;
        for (Kept &kept : kept_)
            if (kept.block.whole && kept.block.bytes >= bytes && kept.block.bytes <= bytes + bytes / 4)
                if (!best || kept.block.bytes < best->block.bytes) best = &kept;
        const Block found = best ? remove(*best) : Block{};
        in_use_.clear(std::memory_order_release);
        return found;
    }

    // true if it is kept; those put here last stay as they are
    bool put(const Block &block) {
        if (block.bytes < least || block.bytes > at_most || in_use_.test_and_set(std::memory_order_acquire)) return false;
        Kept &place = room_for(block.bytes);
        place = {block, ++last_};
        all_ += block.bytes, as_they_are_ += block.bytes;
        if (block.bytes > few) offer(place);
        while (as_they_are_ > few) offer(*oldest([](const Kept &kept) { return !kept.offered; }));
        in_use_.clear(std::memory_order_release);
        return true;
    }

    // for a process that may have no more
    void clear() {
        if (in_use_.test_and_set(std::memory_order_acquire)) return;
        for (Kept &kept : kept_)
            if (kept.block.whole) std::free(remove(kept).whole);
        in_use_.clear(std::memory_order_release);
    }

  private:
    static constexpr size_t least = 64 << 10, few = 32 << 20, at_most = 1 << 30;
    struct Kept {
        Block block;
        uint64_t since = 0;
        bool offered = false;
    };

    template <class F>
    Kept *oldest(F &&meant) {
        Kept *found = nullptr;
        for (Kept &kept : kept_)
            if (kept.block.whole && meant(kept) && (!found || kept.since < found->since)) found = &kept;
        return found;
    }

    Block remove(Kept &kept) {
        const Block found = kept.block;
        all_ -= found.bytes, as_they_are_ -= kept.offered ? 0 : found.bytes;
        kept = {};
        return found;
    }

    void offer(Kept &kept) {
        if (!offer_to_system(kept.block)) return std::free(remove(kept).whole);
        kept.offered = true, as_they_are_ -= kept.block.bytes;
    }

    // an empty place, for which those go that have stood longest
    Kept &room_for(size_t bytes) {
        for (;;) {
            if (all_ + bytes <= at_most)
                for (Kept &kept : kept_)
                    if (!kept.block.whole) return kept;
            std::free(remove(*oldest([](const Kept &) { return true; })).whole);
        }
    }

    Kept kept_[16];
    size_t all_ = 0, as_they_are_ = 0;  // bytes
    uint64_t last_ = 0;
    std::atomic_flag in_use_ = ATOMIC_FLAG_INIT;
};

Shelf shelf;

void ask_for_large_pages_of_any(const float *memory, int64_t floats) {
#if defined(MADV_HUGEPAGE)
    constexpr int64_t worth_it = 4 << 20;  // bytes; NumPy asks from here on too
    if (!memory || floats * static_cast<int64_t>(sizeof(float)) < worth_it) return;
    Pages(memory, reinterpret_cast<uintptr_t>(memory + floats)).advise(MADV_HUGEPAGE);
#endif
}

}  // namespace

bool poison = false;

void ask_for_large_pages(const float *memory, int64_t floats) {
    constexpr int64_t too_much = 64 << 20;  // bytes; a virtual machine's host may have taken them back: a millisecond each
    if (floats * static_cast<int64_t>(sizeof(float)) <= too_much) ask_for_large_pages_of_any(memory, floats);
}

void Floats::Free::operator()(float *p) const {
    const Block block = Block::of(p);
    if (poison || !shelf.put(block)) std::free(block.whole);
}

// malloc knows small blocks by heart, aligned_alloc does not: align by hand
Floats::Floats(size_t size) : size_(size) {
    if (!size) return;
    const size_t bytes = (size * sizeof(float) + 63) / 64 * 64 + 128;
    Block block = poison ? Block{} : shelf.take(bytes);
    if (!block.whole) block = {std::malloc(bytes), bytes};
    if (!block.whole) shelf.clear(), block = {std::malloc(bytes), bytes};
    if (!block.whole) throw std::bad_alloc();
    block.note();
    data_.reset(block.floats());
    ask_for_large_pages_of_any(data_.get(), static_cast<int64_t>(size));
    if (poison) std::fill_n(data_.get(), (bytes - 128) / sizeof(float), std::numeric_limits<float>::quiet_NaN());
}

}  // namespace elman
