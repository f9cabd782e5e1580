"""Closes a process in before it opens a hostile document. Nothing here can be undone by the process.

What holds afterwards, in the order in which it is made so:

* Every descriptor is closed but the document (read-only), the way out, and stderr.
* It can't gain rights (`no_new_privs`), is not dumped, and dies with its parent.
* CPU seconds and memory are limited; it can't write a file of any size (`RLIMIT_FSIZE` 0), have more
  descriptors or (unless it is root's) start a process.
* Where the kernel lets us: namespaces of its own without a network, and without this machine's users.
* Started as root, it becomes `nobody` without any capability.
* Only the system calls below are left (libseccomp): reading and writing what is open, memory, time. No
  file can be opened, no socket made, no program started, no process looked at or signalled. The rest
  fails with EPERM. No temporary file is needed, so there is none.

Without that last step no document is opened: `enter` raises.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from collections.abc import Sequence

import msgspec

from edge_assistant.workers.parent import die_with_parent

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_NOBODY = 65534

_CLONE_NEWNS = 0x00020000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_SCMP_ACT_ALLOW = 0x7FFF0000
_SCMP_ACT_ERRNO = 0x00050000
_SCMP_NO_SUCH_CALL = -1

ALLOWED_CALLS = (
    *("read", "readv", "pread64", "write", "writev", "lseek", "_llseek", "close"),
    *("fstat", "fstat64", "ioctl", "fcntl", "fcntl64", "poll", "ppoll"),
    *("brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise"),
    *("futex", "futex_time64", "rseq", "set_robust_list", "sched_yield", "restart_syscall"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack"),
    *("clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday", "time"),
    *(
        "clock_nanosleep",
        "nanosleep",
        "getrandom",
        "getpid",
        "gettid",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
    ),
    *("exit", "exit_group"),
)
"""What parsing needs. `ioctl` and `fcntl` reach only what is open: a document, a pipe, stderr."""


class SandboxError(Exception):
    """This machine can't close a process in."""


class Enforced(msgspec.Struct, frozen=True, tag="enforced", kw_only=True):
    """What holds for this reader."""

    seccomp: bool
    namespaces: bool
    """Whether a second wall stands behind the first; hardened services forbid them."""
    unprivileged: bool


def enter(keep: Sequence[int], *, memory_bytes: int, cpu_seconds: int) -> Enforced:
    """Close this process in, keeping the descriptors `keep` and stderr. Call it in a single-threaded child.

    Raises `SandboxError` when the essential part can't be had.
    """
    _close_all_but({*keep, 2})
    libc = ctypes.CDLL(None, use_errno=True)
    _limit(memory_bytes, cpu_seconds)
    namespaces = libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWNS) == 0
    unprivileged = _drop_root(namespaces=namespaces)
    die_with_parent()
    libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))) != 0:
        raise SandboxError(os.strerror(ctypes.get_errno()))
    _filter_calls()
    return Enforced(seccomp=True, namespaces=namespaces, unprivileged=unprivileged)


def _close_all_but(keep: set[int]) -> None:
    low = 0
    for descriptor in sorted(keep):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - the smallest way
        used = int(file.read().split()[0]) * resource.getpagesize()
    for kind, soft, hard in (
        (resource.RLIMIT_AS, used + memory_bytes, used + memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 5),  # SIGXCPU first: it tells why
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NOFILE, 16, 16),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
    ):
        most = resource.getrlimit(kind)[1]
        allowed = [min(value, most) if most != resource.RLIM_INFINITY else value for value in (soft, hard)]
        resource.setrlimit(kind, (allowed[0], allowed[1]))


def _drop_root(*, namespaces: bool) -> bool:
    """Become nobody where we are root. Inside a user namespace without a map we are nobody already."""
    if namespaces or os.geteuid() != 0:
        return True
    try:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except OSError:
        return False
    return True


def _filter_calls() -> None:
    library = load_seccomp()
    context = library.seccomp_init(ctypes.c_uint32(_SCMP_ACT_ERRNO | errno.EPERM))
    if not context:
        raise SandboxError("libseccomp makes no filter")
    context = ctypes.c_void_p(context)
    for name in ALLOWED_CALLS:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != _SCMP_NO_SUCH_CALL:
            # A call that this processor doesn't have is not allowed anywhere: nothing to report.
            library.seccomp_rule_add(context, ctypes.c_uint32(_SCMP_ACT_ALLOW), number, ctypes.c_uint(0))
    failed = library.seccomp_load(context)
    if failed:
        raise SandboxError(f"the kernel takes no filter of system calls: {os.strerror(-failed)}")


def load_seccomp() -> ctypes.CDLL:
    """Return libseccomp; raises `SandboxError` when it isn't installed."""
    # By its very name: `find_library` starts programs and writes files, which nobody but root may do in here.
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise SandboxError("libseccomp is missing: install libseccomp2") from None
    library.seccomp_init.restype = ctypes.c_void_p
    return library
