"""The sub-step compiles to packed arithmetic; a scalar one gives the same numbers ten times slower."""

import os
import platform
import re
import subprocess
import sys

import numba
import pytest
from llvmlite import binding

FEATURES = {} if numba.config.DISABLE_JIT else binding.get_host_cpu_features()
PACKED = platform.machine() in ("x86_64", "AMD64") and any(
    FEATURES.get(name) for name in ("avx2", "avx512f")
)  # fmt: skip

# compiled afresh: the machine code of a kernel read from the cache cannot be shown
CHILD = """
import numba
from kernels import langevin
langevin.sub_step.compile((numba.float32[::1],))
print(langevin.sub_step.inspect_asm(langevin.sub_step.signatures[0]))
"""


def body(assembly):
    """Return the kernel's own instructions, without the wrappers Python and C call it by."""
    functions = re.split(r"^(?=\S+:$)", assembly, flags=re.MULTILINE)
    own = [text for text in functions if re.match(r"_ZN7kernels8langevin8sub_step", text)]
    assert len(own) == 1
    at = functions.index(own[0])
    # labels of its inner blocks follow it
    inner = [own[0]]
    for text in functions[at + 1 :]:
        if not text.startswith(".L"):
            break
        inner.append(text)
    return "".join(inner)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled without the compiler")
@pytest.mark.skipif(not PACKED, reason="needs a processor with AVX2 or AVX-512")
def test_the_sub_step_is_packed_and_calls_nothing(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    child = subprocess.run(
        [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    instructions = body(child.stdout)
    packed = re.findall(r"vfn?m(?:add|sub)\d+ps.*%[yz]mm", instructions)
    scalar = re.findall(r"vfn?m(?:add|sub)\d+ss", instructions)
    # two polynomials of the profile, one of the memory, three of the deviates: some forty products and sums
    assert len(packed) >= 30
    assert len(scalar) <= len(packed) // 10
    assert re.findall(r"vsqrtps.*%[yz]mm|vrsqrt", instructions)
    assert re.findall(r"^\s+call", instructions, flags=re.MULTILINE) == []
