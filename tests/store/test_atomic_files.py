"""Files are on disk before they have their names."""

from __future__ import annotations

from sesstore.store.atomic_files import replace_file


def test_a_file_is_on_disk_before_it_has_its_name_and_the_name_before_it_returns(tmp_path, disk):
    replace_file(tmp_path / "file", b"content")
    assert disk.renames == [str(tmp_path / "file")]
    disk.check(tmp_path)
