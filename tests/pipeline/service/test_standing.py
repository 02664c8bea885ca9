"""Which deliveries count is a function of the deliveries: no order of arrival changes it, and nothing counts twice."""

import hypothesis.strategies as st
from hypothesis import given

from pipeline.service.standing import (
    CONFLICT,
    CURRENT,
    DUPLICATE,
    RECALLED,
    REFUSED,
    SUPERSEDED,
    Delivery,
    standing,
)


def states(*deliveries, recalled=()):
    return {at: state for at, (state, _) in standing(deliveries, recalled).items()}


def test_of_a_path_the_newest_version_counts():
    found = states(Delivery("a.csv", 1, "x"), Delivery("a.csv", 2, "y"))
    assert found == {("a.csv", 1): SUPERSEDED, ("a.csv", 2): CURRENT}


def test_a_damaged_version_leaves_the_one_before_it_in_place():
    found = states(Delivery("a.csv", 1, "x"), Delivery("a.csv", 2, "y", error="it is a web page"))
    assert found == {("a.csv", 1): CURRENT, ("a.csv", 2): REFUSED}


def test_a_revision_counts_before_a_lower_one_whichever_came_first():
    found = states(Delivery("a.r2.csv", 1, "x"), Delivery("a.csv", 1, "y"), Delivery("a.r1.csv", 1, "z"))
    assert found == {("a.r2.csv", 1): CURRENT, ("a.csv", 1): SUPERSEDED, ("a.r1.csv", 1): SUPERSEDED}


def test_the_same_content_under_two_names_counts_once():
    found = states(Delivery("b.csv", 1, "x"), Delivery("a.csv", 1, "x"))
    assert found == {("a.csv", 1): CURRENT, ("b.csv", 1): DUPLICATE}


def test_one_revision_with_two_contents_counts_with_neither():
    found = states(Delivery("a.r1.csv", 1, "x"), Delivery("a.r1.csv", 2, "y"))
    assert found == {("a.r1.csv", 1): CONFLICT, ("a.r1.csv", 2): CONFLICT}
    found = states(Delivery("a.r1.csv", 1, "x"), Delivery("a.r01.csv", 1, "y"), Delivery("a.csv", 1, "z"))
    assert found == {("a.r1.csv", 1): CONFLICT, ("a.r01.csv", 1): CONFLICT, ("a.csv", 1): SUPERSEDED}


def test_a_revision_that_grows_does_not_contradict_itself():
    found = states(Delivery("a.r1.csv", 1, "x", grown=True), Delivery("a.r1.csv", 2, "xy"))
    assert found == {("a.r1.csv", 1): SUPERSEDED, ("a.r1.csv", 2): CURRENT}


def test_withdrawn_content_never_counts_and_uncovers_what_it_had_replaced():
    found = states(Delivery("a.csv", 1, "x"), Delivery("a.r1.csv", 1, "y"), recalled={"y"})
    assert found == {("a.csv", 1): CURRENT, ("a.r1.csv", 1): RECALLED}


VERSIONS = st.lists(
    st.tuples(st.sampled_from(["a.csv", "a.r1.csv", "a.r2.csv", "b.csv"]), st.sampled_from("uvwxyz"), st.booleans()),
    max_size=8,
)


@given(VERSIONS, st.randoms())
def test_no_order_of_paths_changes_what_counts(versions, random):
    """Versions of one path are in their own order; those of different paths may come in any."""
    count = {}
    deliveries = []
    for path, sha, bad in versions:
        count[path] = count.get(path, 0) + 1
        deliveries.append(Delivery(path, count[path], sha, error="bad" if bad else ""))
    shuffled = list(deliveries)
    random.shuffle(shuffled)
    found = standing(deliveries)
    assert found == standing(shuffled)
    # every delivery has one state, no content counts twice, and of a name at most one version counts
    assert set(found) == {(one.path, one.sequence) for one in deliveries}
    current = [one for one in deliveries if found[one.path, one.sequence][0] == CURRENT]
    assert len({one.sha256 for one in current}) == len(current)
    assert len({one.path.replace(".r1", "").replace(".r2", "") for one in current}) == len(current)
