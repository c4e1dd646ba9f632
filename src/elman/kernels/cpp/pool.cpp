// A few threads that wait for work. They live as long as the process; a forked child starts its own.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels.hpp"

#if defined(__SSE__)
#include <immintrin.h>
#endif

namespace elman {
namespace {

thread_local int depth = 0;  // how many kernels deep this thread is

// Denormals are taken and given as nought while a kernel runs, on every path alike; put back on every exit.
class Flush {
  public:
#if defined(__SSE__)
    Flush() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040u), ++depth; }
    ~Flush() { _mm_setcsr(before_), --depth; }

  private:
    unsigned before_;
#elif defined(__aarch64__)
    Flush() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        asm volatile("msr fpcr, %0" ::"r"(before_ | (1ull << 24)));
        ++depth;
    }
    ~Flush() {
        asm volatile("msr fpcr, %0" ::"r"(before_));
        --depth;
    }

  private:
    unsigned long before_;
#endif
};

inline void breathe() {
#if defined(__SSE__)
    _mm_pause();
#endif
}

constexpr int spins = 300;  // some ten microseconds: longer than the gap between two phases of a call

class Pool {
  public:
    void run(int parts, const Body &body) {
        grow(parts - 1);
        keep_away();
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            body_ = &body, parts_ = parts;
            left_.store(parts - 1, std::memory_order_relaxed);
            round_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        {
            const Flush flush;
            body(0, parts);
        }
        // a part that waits for a processor of its own must not be kept from it
        for (int i = 0; left_.load(std::memory_order_acquire); ++i)
            if (i < spins) breathe();
            else std::this_thread::yield();
    }

  private:
    void grow(int workers) {
        while (size() < workers) {
            std::thread thread([this, me = size() + 1] { work(me); });
            workers_.push_back(thread.native_handle());
            thread.detach();
            caller_at_ = -1;
        }
    }

    int size() const { return static_cast<int>(workers_.size()); }

    // A worker that sleeps is often woken on the processor of the one who wakes it, and waits there for its end while another
    // has nothing to do. So workers stay away from the caller's, where the caller may use others.
    void keep_away() {
#if defined(__GLIBC__) && defined(__linux__)
        const int here = sched_getcpu();
        if (here < 0 || here == caller_at_) return;
        cpu_set_t allowed;
        if (pthread_getaffinity_np(pthread_self(), sizeof(allowed), &allowed)) return;
        if (CPU_COUNT(&allowed) > 1) CPU_CLR(static_cast<size_t>(here), &allowed);
        for (const pthread_t worker : workers_) pthread_setaffinity_np(worker, sizeof(allowed), &allowed);
        caller_at_ = here;
#endif
    }

    void work(int me) {
        unsigned seen = 0;
        for (;;) {
            for (int i = 0; i < spins && round_.load(std::memory_order_acquire) == seen; ++i) breathe();
            int parts;
            const Body *body;
            {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return round_.load(std::memory_order_relaxed) != seen; });
                seen = round_.load(std::memory_order_relaxed), parts = parts_, body = body_;
            }
            if (me >= parts) continue;
            {
                const Flush flush;
                (*body)(me, parts);
            }
            left_.fetch_sub(1, std::memory_order_release);
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::atomic<unsigned> round_{0};
    std::atomic<int> left_{0};
    const Body *body_ = nullptr;
    int parts_ = 0;
    std::vector<pthread_t> workers_;
    int caller_at_ = -1;  // the processor that workers stay away from
};

std::atomic<Pool *> pool{nullptr};
std::atomic_flag busy = ATOMIC_FLAG_INIT;

// Workers of OpenMP spin for milliseconds after every operation of torch's: threads of ours beside them would get half a
// processor each. So whoever goes by torch's number of threads runs on torch's own.
Lender lender;
thread_local bool borrows = false;

void part_of_region(void *body) {
    const Flush flush;
    (*static_cast<const Body *>(body))(lender.part(), lender.parts());
}

// the threads of the parent are not there: leave its pool alone and start another when one is needed
void after_fork() {
    pool.store(nullptr);
    lender = {};
    busy.clear();
}

void mind_forks() {
    static const int registered = pthread_atfork(nullptr, nullptr, after_fork);
    static_cast<void>(registered);
}

}  // namespace


void lend_threads(const Lender &given) { mind_forks(), lender = given; }

Borrowed::Borrowed(int wanted) : threads(std::max(1, std::abs(wanted))) { borrows = wanted < 0 && lender.region; }
Borrowed::~Borrowed() { borrows = false; }

void parallel(int threads, Body body) {
    if (depth) return body(0, 1);
    if (threads > 1 && borrows) return lender.region(part_of_region, &body, static_cast<unsigned>(threads), 0);
    if (threads > 1 && !busy.test_and_set(std::memory_order_acquire)) {
        mind_forks();
        if (!pool.load()) pool.store(new Pool);
        pool.load()->run(threads, body);
        busy.clear(std::memory_order_release);
        return;
    }
    const Flush flush;
    body(0, 1);
}

void Meeting::wait(int parts) {
    const unsigned round = round_.load(std::memory_order_acquire);
    if (here_.fetch_add(1, std::memory_order_acq_rel) + 1 == parts) {
        here_.store(0, std::memory_order_relaxed);
        round_.fetch_add(1, std::memory_order_release);
        return;
    }
    for (int i = 0; round_.load(std::memory_order_acquire) == round; ++i)
        if (i < spins) breathe();
        else std::this_thread::yield();
}

int64_t half_of_cache() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
    static const int64_t size = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (size >= (64 << 10)) return size / 2;
#endif
    return 256 << 10;
}

}  // namespace elman
