"""What setup.cfg cannot say: what is compiled.

The attention kernel, once a width of vectors, and the gather of stored rows. Without a compiler the
package installs without them, as it does without the former on another processor than x86-64: then
torch attends, and NumPy copies.
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


if __name__ == "__main__":
    x86_64 = platform.machine().lower() in ("x86_64", "amd64")
    kernels = [kernel(*each) for each in WIDTHS.items()] if x86_64 else []
    setup(ext_modules=[gather(), *kernels])
