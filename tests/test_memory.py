"""What control groups leave, from files as the kernel writes them, and a real limit."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from sesstore import memory
from sesstore.memory import available_cores, available_memory, group_free, size

MB = 1 << 20


def group(folder: Path, limit: str, used: int, cached: int, version: int) -> None:
    """Write a control group's files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }
    limit_file, use_file, cache = names[version]
    (folder / limit_file).write_text(f"{limit}\n")
    (folder / use_file).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon {used - cached}\n{cache} {cached}\n")


def test_a_slurm_job_of_version_2(tmp_path: Path) -> None:
    groups = tmp_path / "cgroup"
    groups.write_text("0::/system.slice/slurmstepd.scope/job_7/step_0\n")
    job = tmp_path / "fs" / "system.slice" / "slurmstepd.scope" / "job_7"
    group(job, str(1000 * MB), 600 * MB, 100 * MB, 2)
    group(job / "step_0", "max", 600 * MB, 100 * MB, 2)
    assert group_free(tmp_path / "fs", groups) == [500 * MB]


def test_a_container_of_version_1_that_sees_itself_as_the_root(tmp_path: Path) -> None:
    groups = tmp_path / "cgroup"
    groups.write_text("9:name=systemd:/\n4:memory:/docker/ab12\n1:cpu,cpuacct:/docker/ab12\n0::/\n")
    group(tmp_path / "fs" / "memory", str(300 * MB), 50 * MB, 20 * MB, 1)
    assert group_free(tmp_path / "fs", groups) == [270 * MB]


def test_without_control_groups(tmp_path: Path) -> None:
    assert group_free(tmp_path, tmp_path / "absent") == []


def test_no_more_than_the_machine_has() -> None:
    assert 0 < available_memory() <= psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_a_limit_of_the_process_itself() -> None:
    code = "from sesstore.memory import available_memory as free; print(free())"
    room = 400 * MB

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (room, room))

    said = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=limited, capture_output=True, text=True, check=True
    )
    assert 0 < int(said.stdout) < room


def test_cores_are_those_the_process_is_bound_to(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
        "from sesstore.memory import available_cores; print(available_cores())"
    )
    done = subprocess.run([sys.executable, "-c", bound], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    assert available_cores() == os.cpu_count()


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_900, "999.9 kB"),
        (10**6, "1.0 MB"),
        (2.5e9, "2.5 GB"),
        (10**12, "1.0 TB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_bytes_as_people_read_them(count: float, text: str) -> None:
    assert size(count) == text


def test_the_least_of_machine_groups_and_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def free(machine: int, groups: list[int], limit: int, used: int) -> int:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=machine))
        monkeypatch.setattr(memory, "group_free", lambda: groups)
        monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, 10**15))
        process = SimpleNamespace(memory_info=lambda: SimpleNamespace(vms=used, rss=1))
        monkeypatch.setattr(psutil, "Process", lambda: process)
        return available_memory()

    assert free(900, [], resource.RLIM_INFINITY, 50) == 900
    assert free(900, [800, 700], resource.RLIM_INFINITY, 50) == 700
    assert free(900, [800, 700], 650, 50) == 600
    assert free(900, [-5], 650, 50) == free(900, [], 40, 50) == 0


@pytest.mark.parametrize(("version", "prefix"), [(1, "total_"), (2, "")])
def test_page_cache_in_use_or_not_is_free_in_a_group_and_those_around_it(
    tmp_path: Path, version: int, prefix: str
) -> None:
    groups, mount = tmp_path / "cgroup", tmp_path / "fs"
    groups.write_text("3:cpu,memory:/a/b\n" if version == 1 else "0::/a/b\n")
    root = mount / "memory" if version == 1 else mount
    for folder, limit in ((root / "a" / "b", 900), (root / "a", 1000)):
        group(folder, str(limit * MB), 600 * MB, 100 * MB, version)
        with (folder / "memory.stat").open("a") as stat:
            stat.write(f"{prefix}active_file {7 * MB}\n")
    assert group_free(mount, groups) == [407 * MB, 507 * MB]
