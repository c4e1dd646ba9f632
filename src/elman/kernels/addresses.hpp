// The second door to the kernels: addresses instead of arrays, for torch, whose tensors cost more to hand over than a
// short sequence to run.
#pragma once

#include <nanobind/nanobind.h>

void bind_addresses(nanobind::module_ &module);
