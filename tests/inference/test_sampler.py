"""Rows share steps, join between them, leave when they end, and draw as if they were alone."""

import pytest

from services.inference.checkpoint import Checkpoint
from services.inference.transformers.rows import Job
from services.inference.transformers.sampler import Room, Sampler
from shared.domain import Message, Prompt, Sample, Sampling

PROBLEMS = (
    "Tom has 3 apples and buys 4 more. How many does he have?",
    "What is 6 times 7?",
    "A train goes 60 miles an hour for 3 hours and then rests for an hour. How far does it go in all?",
)
GREEDY = Sampling(temperature=0, max_tokens=6)


class Desk:
    """Jobs of a sampler with what came of them."""

    def __init__(self, checkpoint: Checkpoint, room: Room | None = None) -> None:
        self.checkpoint = checkpoint
        self.sampler = Sampler(checkpoint, room or Room())
        self.samples: dict[int, list[Sample]] = {}
        self.errors: list[Exception] = []

    def add(self, problem: str, sampling: Sampling, prefix: str = "") -> Job:
        conversation, begin = self.checkpoint.ids(Prompt((Message("user", problem),), prefix))
        kept = self.samples.setdefault(len(self.samples), [])
        job = Job(conversation + begin, begin, sampling, sampling.max_tokens, kept.append, self.errors.append)
        self.sampler.add(job)
        return job

    def run(self) -> list[list[str]]:
        """Texts of every job in order of their samples."""
        while self.sampler.busy:
            self.sampler.turn()
        ordered = (sorted(found, key=lambda sample: sample.index) for found in self.samples.values())
        return [[sample.text for sample in samples] for samples in ordered]


def alone(checkpoint: Checkpoint, problem: str, sampling: Sampling, prefix: str = "") -> list[str]:
    desk = Desk(checkpoint)
    desk.add(problem, sampling, prefix)
    return desk.run()[0]


def test_greedy_texts_are_the_same_in_company(smollm: Checkpoint) -> None:
    desk = Desk(smollm)
    for problem in PROBLEMS:
        desk.add(problem, GREEDY)
    assert desk.run() == [alone(smollm, problem, GREEDY) for problem in PROBLEMS]


# Logits differ by about 1e-5 in other company, so that about one draw in 100,000 could fall on the other side
# of a border; these 18 don't.
def test_seeded_samples_are_the_same_in_company(smollm: Checkpoint) -> None:
    desk = Desk(smollm)
    asked = [Sampling(n=1, max_tokens=6, seed=seed) for seed in range(3)]
    for problem, sampling in zip(PROBLEMS, asked, strict=True):
        desk.add(problem, sampling)
    expected = [alone(smollm, problem, sampling) for problem, sampling in zip(PROBLEMS, asked, strict=True)]
    assert desk.run() == expected


def test_a_row_that_joins_later_changes_nobody(smollm: Checkpoint) -> None:
    desk = Desk(smollm)
    desk.add(PROBLEMS[0], GREEDY)
    desk.sampler.turn()
    desk.sampler.turn()
    desk.add(PROBLEMS[2], GREEDY)
    desk.add(PROBLEMS[1], GREEDY)
    assert desk.run() == [alone(smollm, PROBLEMS[place], GREEDY) for place in (0, 2, 1)]


def test_samples_do_not_depend_on_the_rows_that_fit_at_once(smollm: Checkpoint) -> None:
    desk = Desk(smollm, Room(rows=2))
    desk.add(PROBLEMS[0], Sampling(n=5, max_tokens=4, seed=3))
    assert desk.run()[0] == alone(smollm, PROBLEMS[0], Sampling(n=5, max_tokens=4, seed=3))


def test_never_more_rows_run_than_allowed(smollm: Checkpoint) -> None:
    desk = Desk(smollm, Room(rows=3))
    for problem in PROBLEMS:
        desk.add(problem, Sampling(n=2, max_tokens=2))
    desk.run()
    assert desk.sampler.peak == 3


def test_keys_and_values_stay_within_their_limit(smollm: Checkpoint) -> None:
    desk = Desk(smollm, Room(tokens=120))
    for problem in PROBLEMS[:2]:
        desk.add(problem, Sampling(n=2, max_tokens=8))
    texts = desk.run()
    assert (desk.sampler.peak <= 2, [len(found) for found in texts]) == (True, [2, 2])


def test_samples_of_a_prompt_read_it_once(smollm: Checkpoint) -> None:
    desk = Desk(smollm, Room(cached=0))
    job = desk.add(PROBLEMS[0], Sampling(n=3, max_tokens=1))
    desk.run()
    assert desk.sampler.hits == 2 * (len(job.prompt) - 1)


def test_a_prompt_that_begins_like_an_earlier_one_is_read_from_where_it_differs(smollm: Checkpoint) -> None:
    desk = Desk(smollm)
    desk.add(PROBLEMS[0], GREEDY, "Tom has 3")
    desk.run()
    job = desk.add(PROBLEMS[0], GREEDY, "Tom has 3 + 4")
    assert desk.run()[1] == alone(smollm, PROBLEMS[0], GREEDY, "Tom has 3 + 4")
    assert desk.sampler.hits >= len(job.prompt) - 4


def test_a_cancelled_job_leaves_at_the_next_step(smollm: Checkpoint) -> None:
    desk = Desk(smollm)
    long, short = desk.add(PROBLEMS[0], Sampling(n=2, max_tokens=500)), desk.add(PROBLEMS[1], GREEDY)
    desk.sampler.turn()
    long.cancelled = True
    desk.sampler.turn()
    assert (desk.sampler.running, short.begun) == (1, 1)


def test_when_all_are_cancelled_no_step_is_made(smollm: Checkpoint) -> None:
    desk = Desk(smollm)
    job = desk.add(PROBLEMS[0], Sampling(n=2, max_tokens=500))
    desk.sampler.turn()
    job.cancelled = True
    desk.run()
    assert desk.sampler.steps == 1


def test_what_others_leave_does_not_change_who_stays(smollm: Checkpoint) -> None:
    desk = Desk(smollm)
    gone = desk.add(PROBLEMS[2], Sampling(max_tokens=500))
    desk.add(PROBLEMS[1], GREEDY)
    desk.sampler.turn()
    desk.sampler.turn()
    gone.cancelled = True
    assert desk.run()[1] == alone(smollm, PROBLEMS[1], GREEDY)


def test_a_stop_string_ends_the_text_before_it(smollm: Checkpoint) -> None:
    whole = alone(smollm, PROBLEMS[0], Sampling(temperature=0, max_tokens=16))[0]
    stop = whole[9:13]
    desk = Desk(smollm)
    desk.add(PROBLEMS[0], Sampling(temperature=0, max_tokens=16, stop=("@@", stop)))
    assert desk.run() == [[whole[: whole.index(stop)]]]
    assert desk.samples[0][0].finished


def test_a_limit_is_no_end(smollm: Checkpoint) -> None:
    desk = Desk(smollm)
    desk.add(PROBLEMS[0], Sampling(temperature=0, max_tokens=2))
    desk.run()
    assert (desk.samples[0][0].tokens, desk.samples[0][0].finished) == (2, False)


def test_a_tiny_nucleus_is_greedy(smollm: Checkpoint) -> None:
    narrow = Sampling(temperature=1.5, top_p=1e-6, max_tokens=6, seed=4)
    assert alone(smollm, PROBLEMS[0], narrow) == alone(smollm, PROBLEMS[0], GREEDY)


@pytest.mark.parametrize("top_p", [0.3, 0.9])
def test_nothing_outside_the_nucleus_is_drawn(top_p: float) -> None:
    import torch

    from services.inference.transformers.choice import choose, stream

    shares = torch.tensor([0.05, 0.5, 0.15, 0.3])
    logits = shares.log().repeat(200, 1)
    drawn = set(choose(logits, [1.0] * 200, [top_p] * 200, [stream(1, place) for place in range(200)]))
    assert drawn == {0.3: {1}, 0.9: {1, 2, 3}}[top_p]
