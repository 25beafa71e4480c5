"""Several structures of one protein: which counts, and how often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sesstore.jobs.tokenizing.alternatives import Alternatives

RANKED = "{}relaxed_rank_{:03d}_alphafold2_ptm_model_1_seed_000.pdb"


def choice(*chains: tuple[str, int]) -> Alternatives:
    """Chains of one protein of 100 residues: file and resolved residues."""
    alternatives = Alternatives()
    for name, resolved in chains:
        alternatives.open(name)
        alternatives.add(b"x", resolved, 100)
    return alternatives


def test_the_most_complete_counts_whatever_its_order() -> None:
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        files = [("a.pdb", 60), ("b.pdb", 100), ("c.pdb", 90)]
        alternatives = choice(*(files[place] for place in order))
        assert alternatives.lengths().tolist() == [[100, 100]]
        assert (alternatives.passed_over, alternatives.proteins) == (2, 1)
        (line,) = alternatives.choices()
        assert line.startswith("b.pdb (the most complete, 100 of 100 residues), not ")


def test_of_equally_complete_ones_the_best_rank_counts_relaxed_first() -> None:
    names = [f"P1_{RANKED.format(state, rank)}" for rank in (2, 1) for state in ("un", "")]
    alternatives = choice(*((name, 100) for name in names))
    assert [alternatives.is_best(chain) for chain in range(4)] == [False, False, False, True]
    (line,) = alternatives.choices()
    assert line.startswith(f"{names[3]} (rank 1, relaxed), not {names[0]}, ")
    assert "(rank 1)" in next(choice((names[0], 100), (names[2], 100)).choices())


def test_of_equals_the_first_counts_and_completeness_goes_before_rank() -> None:
    (line,) = choice(("a.pdb", 90), ("b.pdb", 90)).choices()
    assert line == "a.pdb (the first of equally complete ones), not b.pdb"
    assert choice(("x_model_0.cif", 90), ("x_model_1.cif", 100)).is_best(1)


def test_copies_in_one_file_are_all_counted() -> None:
    alternatives = choice(("dimer.pdb", 80), ("dimer.pdb", 90), ("monomer.pdb", 85))
    assert alternatives.lengths().tolist() == [[80, 100], [90, 100]]
    assert alternatives.passed_over == 1
    assert not list(choice(("dimer.pdb", 80), ("dimer.pdb", 90)).choices())


def test_nothing_has_no_lengths() -> None:
    assert Alternatives().lengths().shape == (0, 2)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(b"xyz"), st.integers(0, 9))))
def test_each_protein_is_counted_from_one_file(chains: list[tuple[str, int, int]]) -> None:
    alternatives = Alternatives()
    most: dict[int, int] = {}
    for file, digest, resolved in chains:
        alternatives.open(file)
        alternatives.add(bytes([digest]), resolved, 10)
        most[digest] = max(resolved, most.get(digest, 0))
    lengths = alternatives.lengths()
    assert len(lengths) + alternatives.passed_over == len(chains)
    assert alternatives.proteins == len(most)
    assert len(lengths) >= len(most)
    assert sorted(most.values()) == sorted(
        {  # of each protein the best is among those that count
            digest: max(r for _, d, r in chains if d == digest) for digest in most
        }.values()
    )
