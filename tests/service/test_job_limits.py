from __future__ import annotations

import pytest

from sesstore.errors import InputError
from sesstore.service.job_limits import BusyError, RateLimiter, ServiceLimits


def test_so_many_starts_a_minute_for_each_client() -> None:
    now = [100.0]
    limiter = RateLimiter(2, lambda: now[0])
    limiter.admit("a")
    now[0] = 130.0
    limiter.admit("a")
    with pytest.raises(BusyError, match="2 jobs within a minute, and 2 are allowed") as refused:
        limiter.admit("a")
    assert (refused.value.seconds, refused.value.client) == (30, True)
    now[0] = 140.0
    with pytest.raises(BusyError) as refused:  # what is left of the minute, not what is over
        limiter.admit("a")
    assert refused.value.seconds == 20
    limiter.admit("b")
    now[0] = 160.0  # the first start is a minute ago
    limiter.admit("a")
    with pytest.raises(BusyError, match="Try again in 30 seconds"):
        limiter.admit("a")


def test_clients_of_the_past_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RateLimiter, "CLIENTS", 3)
    now = [0.0]
    limiter = RateLimiter(1, lambda: now[0])
    for now[0], client in ((0.0, "a"), (1.0, "b"), (1.5, "c"), (30.0, "d")):
        limiter.admit(client)
    now[0] = 61.0  # a minute after the second
    limiter.admit("e")
    assert set(limiter._starts) == {"c", "d", "e"}


def test_a_client_of_the_last_minute_is_remembered_whenever_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RateLimiter, "CLIENTS", 1)
    now = [0.0]
    limiter = RateLimiter(2, lambda: now[0])
    for now[0], client in ((0.0, "a"), (50.0, "a"), (51.0, "b"), (70.0, "c")):
        limiter.admit(client)
    now[0] = 80.0
    limiter.admit("a")
    with pytest.raises(BusyError, match="Try again in 30 seconds"):
        limiter.admit("a")


def test_nobody_is_told_to_come_back_at_once() -> None:
    assert [BusyError("x", t, client=True).seconds for t in (0.0, 0.4, 1.6)] == [1, 1, 2]


def test_limits_are_said() -> None:
    limits = ServiceLimits(proteins=7, residues=1234, megabytes=2.5, result_minutes=1.5)
    for part in ("7 proteins", "1,234 residues", "2.5 MB", "20 jobs a minute", "1.5 minutes"):
        assert part in limits.sentence


@pytest.mark.parametrize("name", ["megabytes", "result_minutes"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_limit_that_lets_nothing_in_is_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} is {value:g}. Give a number above 0"):
        ServiceLimits(**{name: value})  # type: ignore[arg-type]
    assert ServiceLimits(**{name: 1e-6})  # type: ignore[arg-type]
