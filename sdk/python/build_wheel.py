#!/usr/bin/env python3
"""Packs the native module and the package as a wheel for Linux.

    build_wheel.py LIBRARY [DIRECTORY]     LIBRARY is libagentos_python.so as cargo built it

One wheel serves CPython 3.9 and later (abi3). Its tag names the C library of the machine that built it, which must not be
newer than that of the machines that use it.
"""

import base64
import hashlib
import pathlib
import platform
import re
import sys
import sysconfig
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
NATIVE = "agentos/_native.abi3.so"


def version() -> str:
    manifest = (HERE.parent.parent / "Cargo.toml").read_text()
    found = re.search(r'^version = "([^"]+)"', manifest, re.MULTILINE)
    if not found:
        raise SystemExit("Cargo.toml names no version")
    return found.group(1)


def platform_tag() -> str:
    machine = sysconfig.get_platform().split("-")[-1]
    name, libc = platform.libc_ver()
    if name != "glibc":
        return f"linux_{machine}"
    major, minor = libc.split(".")[:2]
    return f"manylinux_{major}_{minor}_{machine}"


def metadata(number: str) -> str:
    fields = [
        "Metadata-Version: 2.1",
        "Name: agentos",
        f"Version: {number}",
        "Summary: A computer for an AI agent, inside your process",
        "License: Apache-2.0",
        "Requires-Python: >=3.9",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(fields) + "\n\n" + (HERE / "README.md").read_text()


def main(library: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    number, tag = version(), f"cp39-abi3-{platform_tag()}"
    info = f"agentos-{number}.dist-info"
    files = {f"agentos/{path.name}": path.read_bytes() for path in sorted((HERE / "agentos").iterdir()) if path.is_file()}
    files[NATIVE] = library.read_bytes()
    files[f"{info}/METADATA"] = metadata(number).encode()
    wheel = f"Wheel-Version: 1.0\nGenerator: agentos\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files[f"{info}/WHEEL"] = wheel.encode()
    record = f"{info}/RECORD"
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    files[record] = ("\n".join([*lines, f"{record},,"]) + "\n").encode()
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"agentos-{number}-{tag}.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # With a date of its own, so that the same files give the same wheel.
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return target


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    print(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2] if len(sys.argv) == 3 else "dist")))
