"""Run a program of ours under the filter of system calls its unit has: `python tests/system_filter.py MODULE WORD...`

The names come from systemd itself (`systemd-analyze syscall-filter`), the filter is loaded by libseccomp. What the unit
forbids, fails here with EPERM; sockets but those of AF_UNIX fail with EAFNOSUPPORT.
"""

import ctypes
import ctypes.util
import errno
import runpy
import socket
import subprocess
import sys

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NOT_EQUAL = 1


class _Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def allowed(group="@system-service"):
    """The system calls of a group, and of the groups in it."""
    told = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    out = set()
    for line in told.stdout.splitlines()[1:]:
        name = line.strip()
        if name.startswith("@"):
            out |= allowed(name)
        elif name and not name.startswith("#"):
            out.add(name)
    return out


def load(names, *, unix_only=True):
    """Forbid this process and its children everything else, for good."""
    library = ctypes.CDLL(ctypes.util.find_library("seccomp") or "libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ERRNO | errno.EPERM)))
    for name in sorted(names):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue
        if name == "socket" and unix_only:
            same = _Compare(0, 4, socket.AF_UNIX, 0)
            other = _Compare(0, _NOT_EQUAL, socket.AF_UNIX, 0)
            rules = [(_ALLOW, same), (_ERRNO | errno.EAFNOSUPPORT, other)]
        else:
            rules = [(_ALLOW, None)]
        for action, compare in rules:
            count = 0 if compare is None else 1
            code = library.seccomp_rule_add_array(
                context, ctypes.c_uint32(action), number, count, None if compare is None else ctypes.byref(compare)
            )
            assert code == 0, (name, code)
    assert library.seccomp_load(context) == 0


if __name__ == "__main__":
    module, sys.argv = sys.argv[1], sys.argv[1:]
    load(allowed())
    runpy.run_module(module, run_name="__main__", alter_sys=True)
