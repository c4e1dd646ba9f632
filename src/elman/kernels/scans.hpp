// The first door to the kernels: a recurrence over time, forwards and backwards, on NumPy's arrays.
#pragma once

#include <nanobind/nanobind.h>

void bind_scans(nanobind::module_ &module);
