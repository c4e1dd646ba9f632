// Outputs over time become one row each: their mean, maximum or sum, of steps, of rows of a table or of a tree's nodes.
#pragma once

#include <nanobind/nanobind.h>

void bind_pooling(nanobind::module_ &module);
