"""What is told of a protein that was found."""

from __future__ import annotations

from sesstore.neighbours import lookup as module
from sesstore.neighbours.lookup import Hit
from sesstore.proteins import Protein


def test_a_hit_says_what_was_hit_and_how_it_is_like_the_query() -> None:
    query = Protein("query", "MQIFVKTLTGKTITLEVEPSDT")
    hit = Protein("hit", "MQIFVKTLTGKTITLEV")
    alone = module._hit(query, hit, 0.123456, align=False)
    assert alone == Hit("hit", hit.digest.hex(), 17, 0.12346)
    aligned = module._hit(query, hit, 0.5, align=True)
    assert aligned.to_json() == {
        "id": "hit", "digest": hit.digest.hex(), "length": 17, "similarity": 0.5,
        "identity": 1.0, "coverage": round(17 / 22, 4),
    }  # fmt: skip
