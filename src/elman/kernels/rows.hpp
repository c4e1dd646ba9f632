// Rows of tables: summed for what is embedded, dropped, brought up to date, moved, and their gradients summed.
#pragma once

#include <nanobind/nanobind.h>

void bind_rows(nanobind::module_ &module);
