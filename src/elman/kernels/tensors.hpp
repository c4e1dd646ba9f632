// The third door to the kernels: torch's tensors as they are. An address costs a third of a microsecond in Python, and
// a call has twenty of them; a short sequence runs in three.
#pragma once

#include <nanobind/nanobind.h>

void bind_tensors(nanobind::module_ &module);
