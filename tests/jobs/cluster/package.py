"""A package that answers as Ray does to a pool and a map, all in this process, when it is let."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    """As of Ray: a process or machine died."""


class RayTaskError(RayError):
    """As of Ray: what was called raised something."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Reference:
    """A call: what it gives, once it may.

    Parameters
    ----------
    name : str
        Of what was called.
    how : dict
        Options of the call.
    work : callable
        Does it.
    """

    def __init__(self, name: str, how: dict[str, Any], work: Callable[[], Any]) -> None:
        self.name, self.how, self.work = name, how, work
        self.ready = True


class Called:
    """A remote function or method."""

    def __init__(self, ray: Package, name: str, work: Callable[..., Any], **how: Any) -> None:
        self._ray, self._name, self._work, self._how = ray, name, work, how

    def options(self, **how: Any) -> Called:
        return Called(self._ray, self._name, self._work, **{**self._how, **how})

    def remote(self, *arguments: Any) -> Reference:
        reference = Reference(self._name, self._how, lambda: self._work(*arguments))
        self._ray.calls.append(reference)
        return reference


class Handle:
    """An actor, which may have died."""

    def __init__(self, ray: Package, actor: Any) -> None:
        self._ray, self._actor = ray, actor
        self.is_dead = False

    def __getattr__(self, name: str) -> Called:
        def work(*arguments: Any) -> Any:
            if self.is_dead:
                raise RayError("The actor died\n  unexpectedly")
            return getattr(self._actor, name)(*arguments)

        return Called(self._ray, name, work)


class Package:
    """The functions of Ray that are used."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, **resources: float) -> None:
        self.resources = resources
        self.options: dict[str, Any] = {}
        self.calls: list[Reference] = []
        self.handles: list[Handle] = []
        self.killed: list[Handle] = []
        self.cancelled: list[Reference] = []

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        self.options = options

        def decorate(kind: Any) -> Any:
            if not isinstance(kind, type):
                return Called(self, kind.__name__, kind)

            def hire(order: Any) -> Handle:
                self.handles.append(Handle(self, kind(order)))
                return self.handles[-1]

            return SimpleNamespace(remote=hire)

        return decorate

    def wait(
        self, references: Sequence[Reference], num_returns: int = 1, timeout: float | None = None
    ) -> tuple[list[Reference], list[Reference]]:
        ready = [reference for reference in references if reference.ready][:num_returns]
        return ready, [reference for reference in references if reference not in ready]

    def get(self, reference: Reference) -> Any:
        try:
            return reference.work()
        except RayError:
            raise
        except Exception as problem:
            raise RayTaskError(problem) from None

    def kill(self, handle: Handle) -> None:
        self.killed.append(handle)

    def cancel(self, reference: Reference) -> None:
        self.cancelled.append(reference)
