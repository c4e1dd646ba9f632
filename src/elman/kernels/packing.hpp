// Packed rows: where they stand, and what is pooled of them.
#pragma once

#include <nanobind/nanobind.h>

void bind_packing(nanobind::module_ &module);
