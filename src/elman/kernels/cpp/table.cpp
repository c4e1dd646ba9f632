#include "table.hpp"

#include <cmath>
#include <cstring>

namespace elman {

void catch_up(const Table &table, const Rests &rests, const int64_t *ids, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const auto since = static_cast<int64_t>(table.since[ids[i]]);
        if (since >= rests.now) continue;
        const float decay = rests.decay[since], drift = rests.drift[since];
        const float shrink_m = rests.shrink_m[since], shrink_v = rests.shrink_v[since], eps = rests.eps[since];
        float *__restrict w = table.w + ids[i] * table.E, *__restrict m = table.m + ids[i] * table.E;
        float *__restrict v = table.v + ids[i] * table.E;
        for (int64_t k = 0; k < table.E; ++k) {
            w[k] = w[k] * decay - drift * m[k] / (std::sqrt(v[k]) + eps);
            m[k] *= shrink_m;
            v[k] *= shrink_v;
        }
        table.since[ids[i]] = static_cast<float>(rests.now);
    }
}

void move_rows(const Table &table, const Move &move, const int64_t *rows, const float *slopes, int64_t n, int64_t now) {
    const Move by = move;
    for (int64_t i = 0; i < n; ++i) {
        const float *__restrict g = slopes + i * table.E;
        float *__restrict w = table.w + rows[i] * table.E, *__restrict m = table.m + rows[i] * table.E;
        float *__restrict v = table.v + rows[i] * table.E;
        for (int64_t k = 0; k < table.E; ++k) {
            m[k] = by.beta1 * m[k] + (1 - by.beta1) * g[k];
            v[k] = by.beta2 * v[k] + (1 - by.beta2) * (g[k] * g[k]);
            w[k] = w[k] * by.keep - by.rate * m[k] / (std::sqrt(v[k]) + by.eps);
        }
        table.since[rows[i]] = static_cast<float>(now);
    }
}

int64_t sum_rows(const int64_t *ids, const float *slopes, int64_t n, int64_t E, int64_t *place, int64_t *rows, float *sums) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; ++i) {
        const float *__restrict slope = slopes + i * E;
        if (place[ids[i]] < 0) {
            place[ids[i]] = found, rows[found] = ids[i];
            std::memcpy(sums + found++ * E, slope, static_cast<size_t>(E) * sizeof(float));
            continue;
        }
        float *__restrict sum = sums + place[ids[i]] * E;
        for (int64_t k = 0; k < E; ++k) sum[k] += slope[k];
    }
    for (int64_t i = 0; i < found; ++i) place[rows[i]] = -1;
    return found;
}

}  // namespace elman
