"""What bounds the particle kernel: `python -m benchmarks.bound` counts the instructions of one sub-step.

The machine's own counters are often closed in virtual machines, so the bound is counted from the compiled code: packed
instructions over the two vector pipes a core has at least, plus divisions and square roots, which no pipe overlaps.
"""

from __future__ import annotations

import tempfile
from collections import Counter

from benchmarks import transport
from benchmarks.fresh import run_fresh

#: cycles between two packed divisions or square roots of 16 float32, about, on cores with 512-bit vectors
#: (uops.info: Intel Ice Lake 16 and 20, AMD Zen 4 and 5 between 8 and 13)
_DIVISION, _ROOT = 12.0, 14.0
_PIPES = 2


def assembly() -> str:
    """Return the code of `langevin.sub_step`, compiled afresh: a cached kernel shows none."""
    code = (
        "import numpy as np\n"
        "from kernels import langevin as l\n"
        "l.sub_step(np.ones(l.ROWS * l.LANES, np.float32))\n"
        "print(next(iter(l.sub_step.inspect_asm().values())))"
    )
    with tempfile.TemporaryDirectory() as folder:
        printed = run_fresh(code, folder)
    return printed


def counts(text: str) -> Counter[str]:
    """Count the instructions of the vector loop by kind, for the widest register it uses."""
    widest = next((name for name in ("zmm", "ymm", "xmm") if f"%{name}" in text), "none")
    found: Counter[str] = Counter()
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or not line.startswith("\t") or words[0].startswith("."):
            continue
        name = words[0]
        if name.startswith("call"):
            found["calls"] += 1
        if f"%{widest}" not in line:
            continue
        if name.startswith(("vdiv", "vsqrt")):
            found["divisions" if "div" in name else "roots"] += 1
        elif name.startswith("vfm") or name.startswith("vfnm"):
            found["fused multiply-adds"] += 1
        elif name.startswith("vmov"):
            found["loads and stores"] += 1
        else:
            found["other packed"] += 1
    found[f"lanes per register: {widest}"] = {"zmm": 16, "ymm": 8, "xmm": 4}.get(widest, 0)
    return found


def main() -> None:
    """Print the counts, the bound they set, and what was measured."""
    found = counts(assembly())
    for name, number in sorted(found.items()):
        print(f"{name:<28}{number:>6}")
    packed = found["fused multiply-adds"] + found["other packed"]
    cycles = packed / _PIPES + found["divisions"] * _DIVISION + found["roots"] * _ROOT
    lanes, _ = transport.sub_step(5, 20_000)
    print(
        f"bound, cycles per 16 particles: {cycles:.0f} ({packed} packed over {_PIPES} pipes, then divisions and roots)"
    )
    fast, slow = cycles / 4.5, cycles / 3.0
    print(f"measured, ns per 16 particles:  {lanes * 16:.0f}; the bound at 3 to 4.5 GHz: {fast:.0f} to {slow:.0f}")


if __name__ == "__main__":
    main()
