// The second door to the kernels: addresses instead of arrays, for torch, whose tensors cost more to hand over than a
// short sequence to run.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>

// One layer in one direction; every array by its address, 0 for none. Nothing is checked but values (`Shape`).
// `threads` below 0: as many of the threads that were lent (`Borrowed`).
void forward_at(int cell, int activation, int64_t T, int64_t B, int64_t D, int64_t H, bool reverse, bool packed, uintptr_t lengths,
                uintptr_t x, uintptr_t ids, uintptr_t w_ih, uintptr_t w_hh, uintptr_t b_ih, uintptr_t b_hh, uintptr_t h0, uintptr_t c0,
                uintptr_t out, uintptr_t hn, uintptr_t cn, bool keep, uintptr_t gates, uintptr_t cells, int threads);
void backward_at(int cell, int activation, int64_t T, int64_t B, int64_t D, int64_t H, bool reverse, bool packed, uintptr_t lengths,
                 uintptr_t x, uintptr_t ids, uintptr_t w_ih, uintptr_t w_hh, uintptr_t h0, uintptr_t c0, uintptr_t out, uintptr_t gates,
                 uintptr_t cells, uintptr_t d_out, uintptr_t d_hn, uintptr_t d_cn, uintptr_t d_x, uintptr_t d_w_ih, uintptr_t d_w_hh,
                 uintptr_t d_b_ih, uintptr_t d_b_hh, uintptr_t d_h0, uintptr_t d_c0, int threads);

void bind_addresses(nanobind::module_ &module);
