"""Run the model of this folder with ONNX Runtime and NumPy alone: python run_onnx.py SEQUENCE ..."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from sequences import answer  # the file beside this one

session = onnxruntime.InferenceSession(Path(__file__).with_name("full.onnx"))
about = json.loads(session.get_modelmeta().custom_metadata_map["elman"])
TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


def run(inputs: dict[str, Any]) -> Any:
    """Answer one sequence, lists under the names of the inputs, from the first states on."""
    steps, first, feeds = len(inputs["ids" if "ids" in inputs else "numbers"]), about.get("first", {}), {}
    inputs = inputs | {"lengths": [steps]}
    for port in session.get_inputs():
        shape = [{"B": 1}.get(axis, -1) if isinstance(axis, str) else axis for axis in port.shape]
        given = np.array(inputs.get(port.name, first.get(port.name, 0)), TYPES[port.type])
        feeds[port.name] = given.reshape(shape) if port.name in inputs else np.full(shape, given)
    return session.run(None, feeds)[0][0].tolist()


if __name__ == "__main__":
    for word in sys.argv[1:]:
        print(answer(word, about, run))
