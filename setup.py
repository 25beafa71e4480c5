"""What setup.cfg cannot say: the attention kernel, compiled once a width of vectors.

Without a compiler, or on another processor than x86-64, the package installs without it, and torch
attends.
"""

import platform

from setuptools import Extension, setup

WIDTHS = {
    "_avx2": ["-mavx2", "-mfma"],
    "_avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
}


def kernel(name: str, flags: list[str]) -> Extension:
    """The kernel for one width of vectors."""
    return Extension(
        f"sesstore.attention.{name}",
        ["sesstore/attention/kernel.cpp"],
        define_macros=[("NAME", name), ("Py_LIMITED_API", "0x030B0000")],
        extra_compile_args=["-O3", "-std=c++17", "-Wno-maybe-uninitialized", *flags],
        py_limited_api=True,
        optional=True,
    )


if __name__ == "__main__":
    x86_64 = platform.machine().lower() in ("x86_64", "amd64")
    setup(ext_modules=[kernel(*each) for each in WIDTHS.items()] if x86_64 else [])
