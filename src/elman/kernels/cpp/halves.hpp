// How the rows of a batch are shared out when each part goes through all steps on its own.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.hpp"
#include "vec.hpp"

namespace elman::ELMAN_ISA {

// Rows [at(part), at(part + 1)) of a batch, the longest first, so that every part has about as many steps to take. Only for
// rows that end one after the other: those of a tree may be more than B at a step, and must be given one part.
class Halves {
  public:
    Halves(const Rows &rows, int parts) : bounds_(static_cast<size_t>(parts) + 1, rows.B) {
        bounds_[0] = 0;
        if (parts < 2) return;
        std::vector<int64_t> lengths(static_cast<size_t>(rows.B), 0);
        for (int64_t s = 0, n = rows.steps(); s < n; ++s) ++lengths[static_cast<size_t>(rows.count[static_cast<size_t>(s)]) - 1];
        for (int64_t i = rows.B - 2; i >= 0; --i) lengths[static_cast<size_t>(i)] += lengths[static_cast<size_t>(i) + 1];
        int64_t done = 0;
        for (int64_t i = 0, part = 0; i < rows.B && part < parts; done += lengths[static_cast<size_t>(i++)])
            while (part < parts && done * parts >= rows.M * part) bounds_[static_cast<size_t>(part++)] = i;
    }
    int parts() const { return static_cast<int>(bounds_.size()) - 1; }
    int64_t at(int part) const { return bounds_[static_cast<size_t>(part)]; }
    int64_t fewest() const {
        int64_t least = bounds_.back();
        for (size_t part = 1; part < bounds_.size(); ++part) least = std::min(least, bounds_[part] - bounds_[part - 1]);
        return least;
    }

  private:
    std::vector<int64_t> bounds_;
};

}  // namespace elman::ELMAN_ISA
