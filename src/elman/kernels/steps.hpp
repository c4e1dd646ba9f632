// One step at a time from Python, in one call: what is odd about an input is seen to here, and answers are fresh arrays.
#pragma once

#include <nanobind/nanobind.h>

void bind_stepper(nanobind::module_ &module);
