"""The document of an index: what is written is read, unions, and sizes just at their limits."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from sesstore.alphabets import Alphabet
from sesstore.errors import (
    CorruptStoreError,
    FingerprintMismatchError,
    InputError,
    StoreError,
)
from sesstore.provenance import Fingerprint, Provenance
from sesstore.sharing import limits, share_paths
from sesstore.sharing.share_index import (
    BundleEntry,
    EncoderEntry,
    FileEntry,
    Index,
    SegmentEntry,
    TaskEntry,
    parse_index,
)
from sesstore.store import layout
from sesstore.store.atomic_files import sealed, unsealed

ID = "20261127T0000000000{:02d}-0123456789abcdef"


def provenance(name: str = "enc", dim: int = 4, dtype: str = "float16") -> Provenance:
    fingerprint = Fingerprint(name, "ab" * 32, 6, "esm1b", "windows(1022,256)", "fp32")
    return Provenance(fingerprint, dim, dtype, "MIT", "Someone 2024")


def segment(proteins: int = 3, residues: int = 50, dtype: str = "float16", width: int = 8):
    """A segment as `SegmentWriter` makes it, its values in one file without padding."""
    sizes = {
        "zarr.json": 10,
        "checksums.json": 11,
        "values/zarr.json": 12,
        "values/c.0.0": residues * width,
        "offsets/zarr.json": 13,
        "offsets/c.0": 8 * (proteins + 1),
        "digests/zarr.json": 14,
        "digests/c.0.0": 32 * proteins,
    }
    if dtype == "int8":
        sizes |= {"scales/zarr.json": 15, "scales/c.0": 2 * residues}
    files = {file: FileEntry(size, f"{i:064x}") for i, (file, size) in enumerate(sizes.items())}
    return SegmentEntry(proteins, residues, files)


def index_of(*encoders: tuple[Provenance, dict[str, SegmentEntry]], **rest: Any) -> Index:
    entries = {layout.encoder_folder(p): EncoderEntry(p, segments) for p, segments in encoders}
    return Index(encoders=entries, **rest)


def bundle(kind: str = "proteins", name: str = "", **sizes: int) -> BundleEntry:
    figures = {"bytes": 900, "footer": 100, "records": 7, **sizes}
    return BundleEntry(kind, name, footer_sha256="f" * 64, **figures)


def full() -> Index:
    return index_of(
        (provenance(), {ID.format(1): segment(), ID.format(2): segment(1, 5)}),
        (provenance("int", 8, "int8"), {ID.format(3): segment(2, 9, "int8")}),
        bundles={
            "b" * 64: bundle("tokens", "pdb"),
            "c" * 64: bundle(),
            "a" * 64: bundle("tokens", "pdb"),
            "d" * 64: bundle("tokens", "af2"),
        },
        tasks={"toy": TaskEntry("e" * 64, 1234, 56, "regression")},
        alphabets={"motifs": Alphabet("motifs", "XYZ")},
    )


def test_what_is_written_is_read_with_its_order():
    index = full()
    back = parse_index(index.to_bytes(), "here")
    assert back == index
    assert list(back.bundles) == ["b" * 64, "c" * 64, "a" * 64, "d" * 64]
    assert [sha[0] for sha, _ in back.of_kind("tokens")] == ["b", "a", "d"]
    assert [sha[0] for sha, _ in back.of_kind("proteins")] == ["c"]
    assert back.sources() == ["af2", "pdb"]
    assert back.alphabets["motifs"].letters == "XYZ"
    (entry,) = back.encoders[layout.encoder_folder(provenance("int", 8, "int8"))].segments.values()
    assert entry.bytes == 10 + 11 + 12 + 72 + 13 + 24 + 14 + 64 + 15 + 18
    assert "alphabets" not in unsealed(Index().to_bytes(), "here")
    assert parse_index(Index().to_bytes(), "here") == Index()


def test_a_document_is_as_other_versions_read_it():
    """Names and nesting, in full: whoever published with an earlier version is still read."""
    index = full()
    folder, other = index.encoders
    assert share_paths.INDEX == "share/index.json"
    document = unsealed(index.to_bytes(), "here")
    assert document["sesstore_share"] == 1
    assert document["alphabets"] == [Alphabet("motifs", "XYZ").to_json()]
    assert document["tasks"] == {
        "toy": {"sha256": "e" * 64, "bytes": 1234, "rows": 56, "problem": "regression"}
    }
    assert document["bundles"][0] == {
        "sha256": "b" * 64, "kind": "tokens", "name": "pdb", "bytes": 900, "footer": 100,
        "records": 7, "footer_sha256": "f" * 64,
    }  # fmt: skip
    assert set(document["encoders"]) == {folder, other}
    encoder = document["encoders"][folder]
    assert encoder["provenance"] == provenance().to_json()
    entry = encoder["segments"][ID.format(2)]
    assert (entry["proteins"], entry["residues"]) == (1, 5)
    assert entry["files"]["offsets/c.0"] == {"bytes": 16, "sha256": f"{5:064x}"}
    assert len(entry["files"]) == 8


def test_a_union_has_everything_and_changes_no_other():
    mine, theirs = full(), full()
    theirs.encoders[layout.encoder_folder(provenance())].segments[ID.format(9)] = segment(1, 6)
    other = provenance("other")
    theirs.encoders[layout.encoder_folder(other)] = EncoderEntry(other, {ID.format(8): segment()})
    theirs.bundles = {"9" * 64: bundle("ids"), **theirs.bundles}
    theirs.bundles["c" * 64] = bundle(records=8)
    theirs.tasks = {"toy": TaskEntry("1" * 64, 1, 1, "regression"), "new": mine.tasks["toy"]}
    theirs.alphabets["more"] = Alphabet("more", "AB")
    before, addition = deepcopy(mine), deepcopy(theirs)
    mine.check(theirs)
    assert (mine, theirs) == (before, addition)
    assert mine.add(theirs) == ["toy"]
    assert theirs == addition
    mine.encoders[layout.encoder_folder(other)].segments.clear()
    assert theirs == addition
    assert sorted(mine.encoders[layout.encoder_folder(provenance())].segments) == [
        ID.format(i) for i in (1, 2, 9)
    ]
    assert [sha[0] for sha in mine.bundles] == ["b", "c", "a", "d", "9"]
    assert mine.bundles["c" * 64].records == 7
    assert mine.tasks["toy"] == before.tasks["toy"]
    assert mine.tasks["new"] == before.tasks["toy"]
    assert set(mine.alphabets) == {"motifs", "more"}


@pytest.mark.parametrize("act", ["check", "add"])
def test_what_does_not_fit_is_not_taken_in(act):
    index = full()
    for wrong in (provenance(dim=5), provenance(dtype="float32")):
        # Same encoder, so the same folder: its values are of another width or type.
        with pytest.raises(FingerprintMismatchError):
            getattr(index, act)(index_of((wrong, {})))
    with pytest.raises(InputError, match="'motifs' is shared there with other states"):
        getattr(index, act)(Index(alphabets={"motifs": Alphabet("motifs", "XY")}))
    assert index == full()


def test_an_index_may_be_just_as_large_as_it_may(monkeypatch):
    raw = full().to_bytes()
    monkeypatch.setattr(limits, "INDEX_BYTES", len(raw))
    assert full().to_bytes() == raw
    assert parse_index(raw, "here") == full()
    monkeypatch.setattr(limits, "INDEX_BYTES", len(raw) - 1)
    with pytest.raises(StoreError, match="more than readers take"):
        full().to_bytes()
    with pytest.raises(CorruptStoreError, match="refused: here is larger"):
        parse_index(raw, "here")


def problem(change) -> str:
    """What is said of a document that was changed; empty if it is read."""
    document = unsealed(full().to_bytes(), "here")
    change(document)
    said = refusal_of(sealed(document), "share/commits/x")
    assert said == "" or "share/commits/x" in said
    return said


def refusal_of(raw: bytes, place: str = "here") -> str:
    """What is said of an index; empty if it is read."""
    try:
        parse_index(raw, place)
    except CorruptStoreError as refused:
        return str(refused)
    return ""


def test_refusals_say_which_document_and_what_is_wrong():
    assert "format 2, this version reads 1" in problem(lambda d: d.update(sesstore_share=2))
    assert "is no index" in problem(lambda d: d.pop("tasks"))
    assert "'dssp' is no kind of bundle" in problem(lambda d: d["bundles"][0].update(kind="dssp"))
    assert "name it should not" in problem(lambda d: d["bundles"][1].update(name="pdb"))
    for size in ("records", "footer"):
        assert "an empty bundle" in problem(lambda d, s=size: d["bundles"][0].update({s: 0}))
    assert "no problem type" in problem(lambda d: d["tasks"]["toy"].update(problem=7))
    folder, other = sorted(full().encoders)

    def exchange(document: dict[str, Any]) -> None:
        encoders = document["encoders"]
        encoders[folder], encoders[other] = encoders[other], encoders[folder]

    assert "is not that of its encoder" in problem(exchange)
    for dim in (0, 1 << 20):
        assert f"[.., {dim}]" in problem(
            lambda d, n=dim: d["encoders"][folder]["provenance"].update(dim=n)
        )
    assert "values of float8" in problem(
        lambda d: d["encoders"][folder]["provenance"].update(dtype="float8")
    )


LIMITS = {"bytes": limits.BUNDLE_BYTES, "records": limits.BUNDLE_RECORDS, "footer": 900}


@pytest.mark.parametrize("size", LIMITS)
def test_sizes_of_a_bundle_just_at_their_limit(size):
    for beyond in (0, 1):
        said = problem(lambda d, n=LIMITS[size] + beyond: d["bundles"][0].update({size: n}))
        assert bool(said) == bool(beyond), said
    most = problem(lambda d: d["bundles"][0].update(bytes=1 << 30, footer=limits.FOOTER_BYTES))
    assert most == ""


@pytest.mark.parametrize(("size", "limit"), [("bytes", limits.TASK_BYTES), ("rows", 1 << 46)])
def test_sizes_of_a_task_just_at_their_limit(size, limit):
    assert problem(lambda d: d["tasks"]["toy"].update({size: limit})) == ""
    assert "is no size" in problem(lambda d: d["tasks"]["toy"].update({size: limit + 1}))


def segment_problem(dtype: str = "float16", drop: str = "", proteins: int = 3, **sizes: int) -> str:
    """What is said of a segment whose files have these sizes (``values_c_0_0=7``)."""
    width = 8 if dtype == "float16" else 4
    entry = segment(proteins, 50, dtype, width)
    files = {path: file for path, file in entry.files.items() if path != drop}
    for key, size in sizes.items():
        array, *rest = key.split("_")
        name = "zarr.json" if rest == ["json"] else ".".join(rest)
        files[f"{array}/{name}"] = FileEntry(size, "0" * 64)
    new = SegmentEntry(entry.proteins, entry.residues, files)
    index = index_of((provenance(dtype=dtype), {ID.format(1): new}))
    said = refusal_of(index.to_bytes())
    assert said == "" or ID.format(1) in said
    return said


@pytest.mark.parametrize("file", sorted(segment(dtype="int8").files))
def test_a_segment_has_all_its_files(file):
    assert segment_problem("int8") == ""
    values = file == "values/c.0.0"
    expected = "50 residues take 0 bytes" if values else "has not the files a segment has"
    assert expected in segment_problem("int8", drop=file)


def test_a_segment_has_no_other_files_and_those_of_the_right_size():
    assert "has not the files" in segment_problem(scales_c_0=100)  # of int8 alone
    for key, size in (("offsets_c_0", 32), ("digests_c_0_0", 96)):
        assert segment_problem(**{key: size}) == ""
        for wrong in (size - 1, size + 1):
            file = key.replace("_", "/", 1).replace("_", ".")
            said = segment_problem(**{key: wrong})
            assert f"says {file} has {wrong} bytes, it must have {size}" in said
    assert segment_problem("int8", scales_c_0=100) == ""
    assert "it must have 100" in segment_problem("int8", scales_c_0=99)
    assert segment_problem(values_json=limits.METADATA_BYTES) == ""
    assert "impossible size" in segment_problem(values_json=limits.METADATA_BYTES + 1)
    assert "impossible size" in segment_problem(digests_json=limits.METADATA_BYTES + 1)
    assert segment_problem(proteins=50) == ""  # of one residue each
    for wrong in (51, 0):
        assert f"says {wrong} proteins have 50 residues" in segment_problem(proteins=wrong)


def test_values_take_what_their_residues_take():
    """At most a chunk of padding and an index more for each file, which are numbered from 0."""
    padding = layout.CHUNK_ROWS * 8 + (1 << 20)
    for size, sound in ((400, True), (399, False), (400 + padding, True), (401 + padding, False)):
        assert (segment_problem(values_c_0_0=size) == "") is sound
    assert "lacks a shard" in segment_problem(drop="values/c.0.0", values_c_1_0=400)
    assert "50 residues take 400 bytes" in segment_problem(values_c_0_0=399, values_c_1_0=1)
    most = {f"values_c_{i}_0": layout.PAGE for i in range(2)}
    assert "residues take" in segment_problem(**most)  # more files than pages of values


def test_a_segment_of_several_files_of_values():
    rows, entry = 2 * layout.PAGE // 8, segment(3, 2 * layout.PAGE // 8)
    files = {**entry.files}
    for i in range(3):
        files[f"values/c.{i}.0"] = FileEntry(rows * 8 // 2 if i < 2 else 0, "0" * 64)
    for count, sound in ((3, True), (4, False)):
        if count == 4:
            files["values/c.3.0"] = FileEntry(0, "0" * 64)
        index = index_of((provenance(), {ID.format(1): SegmentEntry(3, rows, files)}))
        if sound:
            assert parse_index(index.to_bytes(), "here") == index
        else:
            with pytest.raises(CorruptStoreError, match="residues take"):
                parse_index(index.to_bytes(), "here")
