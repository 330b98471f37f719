"""The figures about repairs: where the first edit falls, what is compared with what, and intervals."""

import json
from dataclasses import replace
from math import isnan

import pytest

from services.embedded.cli import main
from services.embedded.repair_evaluation import first_edited, other_author, ours, reference_unchanged
from services.pipeline.refinement.search import Refiner
from services.pipeline.refinement.settings import SearchSettings
from shared.bootstrap import mean_interval
from shared.domain import Edit, Problem, Span, Trajectory
from shared.text.segmentation import join_steps

DUCKS = Problem(
    "Ducks lay 16 eggs per day. She eats three and bakes four. She sells the rest for $2 each. "
    "How much does she make?",
    "18",
    "She sells 16 - 3 - 4 = 9 eggs.\nShe makes 9 * 2 = $18.\n#### 18",
)


@pytest.fixture(scope="module")
def repaired(verifier, locator, tiers):
    text, steps = join_steps(["She sells 16 - 3 = 13 eggs.", "She makes 13 * 2 = $26."], "\n")
    native = Trajectory("t", 1, DUCKS, text, steps, "\n")
    return Refiner(verifier, locator, tiers, None, SearchSettings()).refine(native)


def test_the_first_edit_falls_on_the_step_it_reaches_into(repaired):
    assert first_edited(repaired) == 0


def test_an_insertion_counts_for_the_step_behind_it(repaired):
    start = repaired.trajectory.steps[1].span.start
    edit = Edit(Span(start, start), "", "new\n", "rules", "test")
    assert first_edited(replace(repaired, edits=(edit,))) == 1


def test_the_rivals_replace_the_native_text_from_the_first_edit_on(repaired):
    rival = reference_unchanged(repaired)
    assert rival.text.endswith("She makes 9 * 2 = $18.")
    assert rival.replaced[0].end == len(repaired.trajectory.text)
    assert "".join(span.of(rival.text) for span in rival.spans) in rival.text


def test_another_authors_steps_follow_the_native_prefix(repaired):
    rival = other_author(repaired, ["a", "b"])
    assert rival.spans[0].of(rival.text) in ("a\nb", "b")


def test_our_own_rival_is_the_refined_text(repaired):
    assert ours(repaired).text == repaired.refined


def test_a_bootstrap_interval_holds_its_mean_and_is_the_same_each_time():
    interval = mean_interval([0.0, 1.0, 2.0, 3.0])
    assert interval.low < interval.mean == 1.5 < interval.high
    assert interval == mean_interval([0.0, 1.0, 2.0, 3.0])


def test_no_values_have_no_interval():
    assert isnan(mean_interval([]).mean)
    assert mean_interval([]).to_json() == {"mean": None, "low": None, "high": None, "n": 0}


def test_the_command_reports_shares_and_locality(tmp_path, capsys, monkeypatch):
    item = {"problem": DUCKS.text, "gold": "18", "reference": DUCKS.reference, "first_error": 0}
    lines = [
        {**item, "steps": ["She sells 16 - 3 = 13 eggs.", "She makes 13 * 2 = $26."]},
        {**item, "steps": ["It is 5."]},
    ]
    file = tmp_path / "traces.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr("sys.argv", ["idiolect", "evaluate-repair", str(file), "--scorer", "none", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    report = json.loads(capsys.readouterr().out)
    assert end.value.code == 0
    assert report["wrong"] == 2
    assert report["locality"]["labelled"] == 2
    assert report["share"]["repaired"] + report["share"]["regenerated"] >= 0.5
