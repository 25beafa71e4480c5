"""The S3 API server of tests: moto, without what it does anew at each request.

It looks through its folders for the name of the service, and parses the date of every object it
lists: three quarters of its time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import botocore.utils
from moto import backends, server

botocore_utils: Any = botocore.utils
moto_backends: Any = backends


def main() -> None:
    """Serve until the process is ended; arguments are moto's."""
    services = frozenset(backends.list_of_moto_modules())
    moto_backends.list_of_moto_modules = lambda: services
    botocore_utils.parse_timestamp = lru_cache(100_000)(botocore.utils.parse_timestamp)
    server.main()


if __name__ == "__main__":
    main()
