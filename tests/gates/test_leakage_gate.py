"""A label that is given away is found with its column."""

from fixtures.judged import NAN, evaluation, finding, results, suite_of, task

SUITE = suite_of(leakage=True)


def judged(*findings):
    return results("leakage", evaluation(task(leakage=list(findings))), SUITE)


def test_each_probe_has_a_result():
    shuffled = finding(-0.01).model_copy(update={"probe": "shuffled_labels", "column": ""})
    found = judged(finding(), shuffled)
    assert [(one.outcome, one.number) for one in found] == [("pass", 0.6), ("pass", -0.01)]


def test_a_leak_fails_and_every_leaking_column_is_named():
    (found,) = judged(finding(0.7), finding(0.998, True, "refund"), finding(1.0, True, "outcome"))
    assert (found.outcome, found.number) == ("fail", 0.998)
    assert found.cause == (
        "mood: feature alone gives the label away: found 0.998, asked for is: ROC AUC by refund < 0.99; "
        "found 1.000, asked for is: ROC AUC by outcome < 0.99"
    )


def test_a_number_that_could_not_be_computed_is_inconclusive_but_hides_no_leak():
    assert judged(finding(NAN))[0].outcome == "inconclusive"
    assert judged(finding(NAN), finding(1.0, True))[0].outcome == "fail"


def test_a_search_that_did_not_run_is_inconclusive_unless_there_is_nothing_to_search():
    (found,) = judged()
    assert found.outcome == "inconclusive"
    assert found.cause == "mood: no search for a label that is given away ran"
    assert results("leakage", evaluation(task(kind="retrieval")), SUITE) == []
    assert results("leakage", evaluation(task()), suite_of(leakage=False)) == []
