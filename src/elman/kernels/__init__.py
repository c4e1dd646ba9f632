"""The arithmetic of running a network: arrays in, arrays out; inside, time comes first (T, B, D)."""

from elman.kernels.answer import embed, linear, log_softmax, one_hot, pool, softmax
from elman.kernels.forward import forward, run, tensor_shapes
from elman.kernels.native import SlowKernelsWarning, chosen_for_now, info, set_threads, threads, use
from elman.kernels.scan import scan
from elman.kernels.stepper import Stepper

__all__ = [
    "SlowKernelsWarning",
    "Stepper",
    "chosen_for_now",
    "embed",
    "forward",
    "info",
    "linear",
    "log_softmax",
    "one_hot",
    "pool",
    "run",
    "scan",
    "set_threads",
    "softmax",
    "tensor_shapes",
    "threads",
    "use",
]
