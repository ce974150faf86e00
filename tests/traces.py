"""Spans as they were received, put together again: traces as trees."""

from collections import defaultdict


def trees(spans):
    """By trace: each span's path of names from the root, by its id.

    Raises
    ------
    AssertionError
        Where a span has no parent in its trace and is not the only root, two have one id, or one begins before its
        parent does.
    """
    by_trace = defaultdict(list)
    for span in spans:
        by_trace[span.trace].append(span)
    return {trace: _tree(every) for trace, every in by_trace.items()}


def _tree(spans):
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans), "two spans have one id"
    roots = [span for span in spans if span.parent not in by_id]
    assert [root.parent for root in roots] == [""], f"roots: {[(root.name, root.parent) for root in roots]}"
    for span in spans:
        assert span.start_s <= span.end_s
        if span.parent:
            assert by_id[span.parent].start_s <= span.start_s + 0.002, (span, by_id[span.parent])

    def path(span):
        return (*(path(by_id[span.parent]) if span.parent else ()), span.name)

    return {span.id: path(span) for span in spans}
