"""The C++ tests, built and run under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES, TESTS = ROOT / "src/elman/kernels/cpp", ROOT / "tests/kernels/cpp"
COMPILER = next(filter(shutil.which, ("g++", "clang++", "c++")), None)
X86 = platform.machine().lower() in ("x86_64", "amd64")
FLAGS = {"avx512": ["-mavx512f", "-mavx2", "-mfma"], "avx2": ["-mavx2", "-mfma"]} if X86 else {}
if platform.machine().lower() in ("aarch64", "arm64"):
    FLAGS["neon"] = []
FLAGS["scalar"] = []
# Null pointers and the ends of objects are the address sanitizer's part: asked twice, it compiles far longer.
SANE = [
    "-fsanitize=address,undefined", "-fno-sanitize=null,object-size", "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
]  # fmt: skip
COMMON = ["-std=c++17", "-O1", "-g0", "-w", "-ffp-contract=off", "-fno-math-errno", f"-I{SOURCES}"]

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")


def compile_(*arguments: str) -> None:
    done = subprocess.run([COMPILER, *COMMON, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def run(program: Path, *arguments: str) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def sane(tmp_path_factory):
    """Whether this compiler can link the sanitizers."""
    folder = tmp_path_factory.mktemp("sane")
    (folder / "a.cpp").write_text("int main() {}\n")
    done = subprocess.run(
        [COMPILER, *SANE, folder / "a.cpp", "-o", folder / "a"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this compiler has no sanitizers")
    return SANE


@pytest.mark.timeout(1200)  # most of it compiles
def test_the_kernels_under_sanitizers(sane, tmp_path):
    jobs = [
        [
            *sane,
            *flags,
            f"-DELMAN_ISA_{name.upper()}",
            "-c",
            str(SOURCES / "isa.cpp"),
            "-o",
            str(tmp_path / f"{name}.o"),
        ]
        for name, flags in FLAGS.items()
    ]
    jobs += [
        [*sane, "-c", str(file), "-o", str(tmp_path / f"{file.stem}.o")]
        for file in [
            *(SOURCES / f"{name}.cpp" for name in ("pool", "memory", "choose", "ragged", "stepper")),
            TESTS / "test_kernels.cpp",
        ]
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: compile_(*job), jobs))
    program = tmp_path / "test_kernels"
    compile_(*sane, *map(str, sorted(tmp_path.glob("*.o"))), "-lpthread", "-o", str(program))
    assert run(program) == "0 failures\n"


@pytest.mark.parametrize("name", FLAGS)
def test_the_activations_keep_their_bounds(name, tmp_path):
    if name not in available():
        pytest.skip(f"this processor has no {name}")
    program = tmp_path / "test_math"
    compile_(
        "-O2", *FLAGS[name], f"-DELMAN_ISA_{name.upper()}", str(TESTS / "test_math.cpp"), "-o", str(program)
    )
    assert "0 times not monotone" in run(program, "40009")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_activations_over_all_floats(tmp_path):
    name = available()[0]
    program = tmp_path / "test_math"
    compile_(
        "-O2", *FLAGS[name], f"-DELMAN_ISA_{name.upper()}", str(TESTS / "test_math.cpp"), "-o", str(program)
    )
    run(program, "1")


def available() -> list[str]:
    from elman.kernels.native import compiled

    return compiled.module.isas() if compiled.module else ["scalar"]
