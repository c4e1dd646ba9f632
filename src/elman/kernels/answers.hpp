// What makes an answer of outputs: the linear map, softmax, a scale and shift; and the activations on their own.
#pragma once

#include <nanobind/nanobind.h>

void bind_answers(nanobind::module_ &module);
