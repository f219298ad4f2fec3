"""Start a command in namespaces of its own, on Linux, without bubblewrap.  Run as a script:

    python namespaces.py SPECIFICATION COMMAND ...

SPECIFICATION: JSON with root (an empty folder), readable (pairs of a path and where it appears), hidden
(folders that appear empty) and size (bytes of /tmp).  The command is process 1 of its namespace: when it
ends, or this script is killed, the kernel ends all others.  It sees no network, no other process, nothing
of the file system but what is named, and can write only to /tmp.

It runs before anything of minicap is imported, on the standard library alone.
"""

import ctypes
import json
import os
import platform
import signal
import sys

NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
REMOUNT, BIND, RECURSIVE, PRIVATE = 32, 4096, 16384, 1 << 18
DETACH = 2
DEATH_SIGNAL, NO_NEW_PRIVILEGES = 1, 38  # of prctl
MOUNT_SETATTR, AT_RECURSIVE, HERE = 442, 0x8000, -100
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
NOBODY = 65534
DEVICES = ("null", "zero", "random", "urandom")

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Set the namespaces up, run the command, and end with its exit code."""
    given = json.loads(sys.argv[1])
    root = given["root"]
    enter()
    check(_libc.mount(None, b"/", None, RECURSIVE | PRIVATE, None), "make mounts private")
    fill(root, given)
    change_root(root)
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 255)
    _libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    # Where /proc is masked, as in some containers, there is none inside.
    _libc.mount(b"proc", b"/proc", b"proc", NO_SUID | NO_DEVICES | NO_EXEC, None)
    _libc.mount(None, b"/", None, REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEVICES, None)
    check(_libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "give up privileges")
    os.chdir("/tmp")
    os.execv(sys.argv[2], sys.argv[2:])  # as nobody: this drops all capabilities


def enter() -> None:
    """Leave the namespaces of the system; this user is nobody in the new ones."""
    user, group = os.getuid(), os.getgid()
    check(_libc.unshare(NEW_NAMESPACES), "make namespaces")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {user} 1"),
        ("gid_map", f"{NOBODY} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def fill(root: str, given: dict) -> None:
    """Put into the new root what may be read, a place to write, and the devices that programs expect."""
    check(
        _libc.mount(b"tmpfs", root.encode(), b"tmpfs", NO_SUID | NO_DEVICES, b"size=1m,mode=755"), "mount /"
    )
    for source, target in given["readable"]:
        bind(source, root + target)
        read_only(root + target)
    for name in DEVICES:
        bind(f"/dev/{name}", f"{root}/dev/{name}")
    for folder in given["hidden"]:
        if os.path.isdir(root + folder):
            flags = READ_ONLY | NO_SUID | NO_DEVICES
            check(
                _libc.mount(b"tmpfs", (root + folder).encode(), b"tmpfs", flags, b"size=4k"), f"hide {folder}"
            )
    for folder in ("tmp", "proc"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    size = f"size={given['size']},mode=1777".encode()
    check(_libc.mount(b"tmpfs", f"{root}/tmp".encode(), b"tmpfs", NO_SUID | NO_DEVICES, size), "mount /tmp")


def bind(source: str, target: str) -> None:
    """Let a file or folder appear at another place too."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "ab"):
            pass
    check(_libc.mount(source.encode(), target.encode(), None, BIND | RECURSIVE, None), f"show {source}")


def read_only(target: str) -> None:
    """Nothing below can be written to, nor run with another user's rights."""
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY | NO_SUID | NO_DEVICES, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    path = ctypes.c_char_p(target.encode())
    if _libc.syscall(MOUNT_SETATTR, HERE, path, AT_RECURSIVE, ctypes.byref(attributes), size) != 0:
        flags = REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEVICES  # a kernel before 5.12
        check(_libc.mount(None, target.encode(), None, flags, None), f"protect {target}")


def change_root(root: str) -> None:
    """The new root is all there is."""
    os.chdir(root)
    number = PIVOT_ROOT.get(platform.machine())
    if number is None:
        os.chroot(".")
        return
    check(_libc.syscall(number, b".", b"."), "change the root")
    check(_libc.umount2(b".", DETACH), "leave the old root")
    os.chdir("/")


def check(result: int, doing: str) -> None:
    """End with a message when a system call failed."""
    if result != 0:
        number = ctypes.get_errno()
        sys.exit(f"cannot {doing}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
