"""What pods draw that they have not claimed."""

from tests.admission.claims.claim_world import MW, NODES, batch, claim, pod, tree

from powerplane.admission.claims.books import BELIEVED_S, ClaimBooks
from powerplane.admission.claims.layout import lay_out
from powerplane.admission.claims.names import Template

TREE = tree(feed_w=None, per_core_mw=10 * MW)
LAYOUT = lay_out(TREE)
NAME = "powerplane-300w.rack.row"
WHOLE = {"rack_r1": 300, "row_row": 300}


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def beside(books, node="a1"):
    """Watts by level of one node."""
    found = books.beside(TREE, LAYOUT)
    column = NODES.index(node)
    return {level: int(found.beside_mw[i, column]) // MW for i, level in enumerate(LAYOUT.levels)}


def test_a_pod_without_a_claim_counts_at_every_level_by_what_is_noted_or_by_its_cores():
    books = ClaimBooks(Clock())
    books.pods(batch(pod("noted", node="a1", watts=70), pod("silent", node="b1")))
    assert beside(books) == {"rack": 70, "row": 70}
    assert beside(books, "b1") == {"rack": 20, "row": 20}
    found = books.beside(TREE, LAYOUT)
    assert found.pods == 2
    assert int(found.drawn_mw.sum()) == 90 * MW


def test_what_is_claimed_is_not_counted_again():
    books = ClaimBooks(Clock())
    books.pods(batch(pod("p", node="a1", watts=290, template=NAME)))
    books.claims(batch(claim("c", "p", **WHOLE)))
    assert beside(books) == {"rack": 0, "row": 0}
    assert books.beside(TREE, LAYOUT).pods == 0


def test_what_is_claimed_too_little_or_from_another_rack_counts_with_the_rest():
    books = ClaimBooks(Clock())
    books.pods(batch(pod("p", node="a1", watts=290)))
    books.claims(batch(claim("c", "p", rack_r1=40, row_row=300)))
    assert beside(books) == {"rack": 250, "row": 0}
    books.claims(batch(claim("c", "p", rack_r2=300, row_row=100), what="MODIFIED"))
    assert beside(books) == {"rack": 290, "row": 190}
    books.claims(batch(claim("d", "p", rack_r1=300, row_row=200)))
    assert beside(books) == {"rack": 0, "row": 0}


def test_a_pod_whose_claim_is_not_seen_yet_is_believed_for_a_while_at_its_templates_levels():
    clock = Clock()
    books = ClaimBooks(clock)
    books.pods(batch(pod("p", node="a1", watts=300, template="powerplane-300w.rack")))
    assert beside(books) == {"rack": 0, "row": 300}
    clock.now_s += BELIEVED_S
    assert beside(books) == {"rack": 300, "row": 300}


def test_a_claim_that_is_seen_counts_for_what_it_holds_whatever_its_template_was_called():
    books = ClaimBooks(Clock())
    books.pods(batch(pod("p", node="a1", watts=300, template=NAME)))
    books.claims(batch(claim("c", "p", rack_r1=1, row_row=1)))
    assert beside(books) == {"rack": 299, "row": 299}


def test_pods_that_finished_or_went_count_no_more_and_neither_do_claims_that_went():
    books = ClaimBooks(Clock())
    books.pods(batch(pod("p", node="a1", watts=300), pod("q", node="a1", watts=50)))
    books.claims(batch(claim("c", "p", **WHOLE)))
    books.claims(batch(claim("c", "p", **WHOLE), what="DELETED"))
    assert beside(books)["rack"] == 350
    books.pods(batch(pod("p", node="a1", watts=300, phase="Succeeded"), what="MODIFIED"))
    assert beside(books)["rack"] == 50
    books.pods(batch(pod("q", node="a1", watts=50), what="DELETED"))
    assert beside(books)["rack"] == 0


def test_a_new_list_replaces_everything():
    books = ClaimBooks(Clock())
    books.pods(batch(pod("p", node="a1", watts=300)))
    books.claims(batch(claim("c", "p", **WHOLE)))
    books.claims(batch(replace=True))
    assert beside(books)["rack"] == 300
    books.pods(batch(replace=True))
    assert beside(books)["rack"] == 0


def test_templates_that_pods_name_are_wanted_in_their_namespaces_bound_or_not():
    books = ClaimBooks(Clock())
    books.pods(batch(pod("p", template=NAME), pod("q", node="a1", template=NAME), pod("r", template="other")))
    assert books.wanted() == {("n", Template(300, ("rack", "row")))}
    books.pods(batch(pod("p", template=NAME), pod("q", template=NAME), what="DELETED"))
    assert books.wanted() == set()


def test_nobody_is_woken_where_nothing_that_counts_has_changed():
    told = []
    books = ClaimBooks(Clock(), lambda: told.append(1))
    books.pods(batch(pod("p", node="a1", watts=300)))
    books.pods(batch(pod("p", node="a1", watts=300), what="MODIFIED"))
    assert len(told) == 1
