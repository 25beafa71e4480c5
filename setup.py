"""What setup.cfg cannot say: what is compiled.

The attention kernel, once a width of vectors, the gather of stored rows, and products on matrix
units. Without a compiler the package installs without them, as it does without attention on another
processor than x86-64, and without products there and where the system is not Linux or the compiler
older than GCC 11 or Clang 12: then torch attends and multiplies, and NumPy copies.
"""

import platform
import sys

from setuptools import Extension, setup

WIDTHS = {
    "_avx2": ["-mavx2", "-mfma"],
    "_avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"],
}

MATRIX_UNIT = [
    *("-mamx-tile", "-mamx-bf16", "-mfma", "-mprefer-vector-width=512"),
    *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"),
]


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


def gather() -> Extension:
    """The gather of stored rows, which looks at the processor itself."""
    return Extension(
        "sesstore.store._row_gather",
        ["sesstore/store/row_gather.cpp"],
        define_macros=[("Py_LIMITED_API", "0x030B0000")],
        extra_compile_args=["-O3", "-std=c++17", "-pthread"],
        extra_link_args=["-pthread"],
        py_limited_api=True,
        optional=True,
    )


def products() -> Extension:
    """Products on the matrix unit, loaded where processor and system have it."""
    return Extension(
        "sesstore.products._amx",
        ["sesstore/products/amx.cpp"],
        depends=["sesstore/products/tiles.h"],
        define_macros=[("Py_LIMITED_API", "0x030B0000")],
        extra_compile_args=["-O3", "-std=c++17", *MATRIX_UNIT],
        py_limited_api=True,
        optional=True,
    )


if __name__ == "__main__":
    x86_64 = platform.machine().lower() in ("x86_64", "amd64")
    kernels = [kernel(*each) for each in WIDTHS.items()] if x86_64 else []
    if x86_64 and sys.platform == "linux":
        kernels.append(products())
    setup(ext_modules=[gather(), *kernels])
