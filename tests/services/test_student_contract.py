"""What every engine keeps behind the student service, over a real gRPC channel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import grpc
import pytest
from google.protobuf import duration_pb2
from served import Served
from waiting import eventually

from shared.clients.student import StudentClient
from shared.errors import FieldError, MismatchError, UnsupportedError
from shared.ports import GenerationRequest, Generator, ScoreRequest
from shared.rpc.generated.idiolect.student.v1 import student_pb2 as pb
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc as grpc_pb

PROBLEM = "Tom has 3 apples and buys 4 more. How many does he have?"
SHORT = GenerationRequest(PROBLEM, n=2, max_tokens=6, seed=5)
GREEDY = replace(SHORT, n=1, temperature=0)
LONG = GenerationRequest(PROBLEM, n=4, max_tokens=2000, temperature=1.5, seed=7)
Stub = grpc_pb.StudentServiceStub


def asked(request: GenerationRequest, digest: str) -> pb.GenerateRequest:
    sampling = pb.Sampling(
        n=request.n, temperature=request.temperature, max_tokens=request.max_tokens, seed=request.seed
    )
    return pb.GenerateRequest(model_digest=digest, problem=request.problem, sampling=sampling)


def needs(client: StudentClient, ability: str) -> None:
    """Skip where the engine says of itself that it can't do this."""
    if not getattr(client.info, ability):
        pytest.skip(f"{client.info.engine} says of itself: {ability} = False ({client.info.limits})")


def idle(student: Served) -> bool:
    figures = student.model.figures
    return figures.running == figures.waiting == 0


def test_a_client_is_a_generator(client: StudentClient) -> None:
    assert isinstance(client, Generator)


def test_the_model_has_a_digest(client: StudentClient) -> None:
    assert len(client.info.digest) == 64


def test_every_sample_comes_once(stub: Stub, client: StudentClient) -> None:
    came = stub.Generate(asked(replace(SHORT, n=5), client.info.digest))
    assert sorted(response.sample.index for response in came) == [0, 1, 2, 3, 4]


def test_equal_requests_have_equal_samples(client: StudentClient) -> None:
    needs(client, "seeded")
    assert client.generate(SHORT) == client.generate(SHORT)


def test_another_seed_has_other_samples(client: StudentClient) -> None:
    request = replace(SHORT, max_tokens=16, temperature=1.5)
    assert client.generate(request) != client.generate(replace(request, seed=6))


def test_the_samples_of_one_request_differ(client: StudentClient) -> None:
    first, second = client.generate(replace(SHORT, max_tokens=16, temperature=1.5))
    assert first != second


def test_greedy_samples_are_the_same_for_every_seed(client: StudentClient) -> None:
    request = replace(SHORT, temperature=0, n=1)
    assert client.generate(request) == client.generate(replace(request, seed=77))


def test_a_sample_ends_at_its_limit(client: StudentClient) -> None:
    assert [(sample.tokens, sample.finished) for sample in client.generate(SHORT)] == [(6, False)] * 2


def test_the_student_goes_on_without_repeating_the_prefix(client: StudentClient) -> None:
    request = replace(GREEDY, prefix="Tom has 3 + 4")
    if client.info.engine == "openai":
        with pytest.raises(FieldError, match="prefix"):
            client.generate(request)
        return
    assert "Tom has 3 + 4" not in client.generate(request)[0].text


def test_what_a_request_says_of_the_template_takes_the_place_of_the_services(client: StudentClient) -> None:
    greedy = replace(GREEDY, max_tokens=24)
    by_request = client.generate(replace(greedy, instruction="Be brief."))
    assert by_request == client.generate(replace(greedy, problem=f"{PROBLEM}\n\nBe brief."))


def test_a_system_message_reaches_the_model(stub: Stub, client: StudentClient) -> None:
    bare = asked(GREEDY, client.info.digest)
    told = asked(GREEDY, client.info.digest)
    told.system = "You count apples. " * 20
    read = [next(iter(stub.Generate(one))).sample.prompt_tokens for one in (bare, told)]
    assert read[1] > read[0]


def test_a_stop_string_ends_a_sample_and_is_no_part_of_it(stub: Stub, client: StudentClient) -> None:
    whole = asked(replace(SHORT, n=1, max_tokens=12), client.info.digest)
    text = next(iter(stub.Generate(whole))).sample.text
    word = text.split()[2]
    whole.sampling.stop.append(word)
    stopped = next(iter(stub.Generate(whole))).sample
    assert (stopped.text, stopped.finished) == (text[: text.index(word)], True)


def test_tokens_of_the_prompt_are_counted(stub: Stub, client: StudentClient) -> None:
    came = stub.Generate(asked(SHORT, client.info.digest))
    assert all(response.sample.prompt_tokens > 10 for response in came)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GenerationRequest(" "), "problem"),
        (GenerationRequest(PROBLEM, temperature=-0.1), "temperature"),
        (GenerationRequest(PROBLEM, temperature=float("nan")), "temperature"),
        (GenerationRequest(PROBLEM, max_tokens=0), "max_tokens"),
        (GenerationRequest(PROBLEM, n=-1), "n"),
        (GenerationRequest(PROBLEM, seed=-1), "seed"),
        (GenerationRequest("12 " * 40_000), "messages"),
        (GenerationRequest("x" * 10_000_000), "problem"),
        (GenerationRequest("a\ud800"), "problem"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_served_is_refused_by_field_with_the_cure(
    client: StudentClient, request_: GenerationRequest, field: str
) -> None:
    with pytest.raises(FieldError) as caught:
        client.generate(request_)
    assert (caught.value.field.split("[")[0], bool(caught.value.cure)) == (field, True)


def test_a_refused_request_leaves_the_service_as_it_was(client: StudentClient) -> None:
    before = client.generate(GREEDY)
    with pytest.raises(FieldError):
        client.generate(GenerationRequest("12 " * 40_000))
    assert client.generate(GREEDY) == before


def test_another_model_than_expected_is_refused(stub: Stub, client: StudentClient) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.Generate(asked(SHORT, "0" * 64)))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_a_mismatch_tells_what_is_served(student: Served) -> None:
    with StudentClient(student.target) as client:
        served = client.info
        client._info = replace(served, digest="0" * 64)
        with pytest.raises(MismatchError) as caught:
            client.generate(SHORT)
    assert caught.value.served == served.digest


def test_a_request_without_a_digest_is_refused(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.Generate(asked(SHORT, "")))
    assert "model_digest" in caught.value.details()


def test_scores_come_back_in_order(client: StudentClient) -> None:
    needs(client, "scores")
    texts = ["Tom has 3 + 4 = 7 apples.", "", "x", "Hi 😀 é漢字"]
    scores = client.score([ScoreRequest(PROBLEM, text) for text in texts])
    assert [one.spans[-1].end if one.spans else 0 for one in scores] == [len(text) for text in texts]


def test_scores_do_not_depend_on_who_else_is_scored(client: StudentClient) -> None:
    needs(client, "scores")
    requests = [ScoreRequest(PROBLEM, f"Tom has 3 + 4 = {number} apples." * 3) for number in range(12)]
    together, alone = client.score(requests), [client.score([request])[0] for request in requests[:3]]
    for one, other in zip(together, alone, strict=False):
        assert one.surprisals == pytest.approx(other.surprisals, abs=1e-3)


def test_one_bad_text_is_told_apart_and_the_others_are_scored(stub: Stub, client: StudentClient) -> None:
    needs(client, "scores")
    digest = client.info.digest
    texts = ["fine", "12 " * 40_000, "fine too"]
    sent = [
        pb.ScoreRequest(model_digest=digest, index=index, problem=PROBLEM, text=text)
        for index, text in enumerate(texts)
    ]
    outcomes = {answer.index: answer.WhichOneof("outcome") for answer in stub.Score(iter(sent))}
    assert outcomes == {0: "scores", 1: "failure", 2: "scores"}


def test_the_text_that_is_too_long_is_named(client: StudentClient) -> None:
    needs(client, "scores")
    with pytest.raises(FieldError, match="text"):
        client.score([ScoreRequest(PROBLEM, "12 " * 40_000)])


def test_a_cancelled_call_stops_the_generation(student: Served, stub: Stub, client: StudentClient) -> None:
    call = stub.Generate(asked(LONG, client.info.digest))
    busy = eventually(lambda: not idle(student) or call.done())
    call.cancel()
    assert busy
    assert eventually(lambda: idle(student))


def test_a_deadline_stops_the_generation(student: Served, stub: Stub, client: StudentClient) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(stub.Generate(asked(replace(LONG, n=32), client.info.digest), timeout=0.001))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert eventually(lambda: idle(student))


def test_concurrent_calls_all_come_back_right(client: StudentClient) -> None:
    alone = client.generate(replace(SHORT, temperature=0, n=1))
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(client.generate, [replace(SHORT, temperature=0, n=1)] * 8))
    assert many == [alone] * 8


def test_an_engine_that_sleeps_says_when_to_ask_again(student: Served, stub: Stub) -> None:
    with StudentClient(student.target) as client:
        digest = client.info.digest
        lease = client.sleep("the test", timedelta(minutes=5))
        try:
            with pytest.raises(grpc.RpcError) as caught:
                list(stub.Generate(asked(SHORT, digest)))
        finally:
            client.wake(lease)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"] == "5000"


def test_an_engine_wakes_when_its_lease_is_given_back(client: StudentClient) -> None:
    before = client.generate(GREEDY)
    client.wake(client.sleep("the test", timedelta(minutes=5)))
    assert client.generate(GREEDY) == before


def test_an_engine_wakes_by_itself_when_its_lease_ends(student: Served, client: StudentClient) -> None:
    client.sleep("the test", timedelta(seconds=0.3))
    assert eventually(lambda: student.host.state.up)
    assert len(client.generate(GREEDY)) == 1


def test_a_second_holder_is_told_who_has_it(stub: Stub, client: StudentClient) -> None:
    lease = client.sleep("the first one", timedelta(minutes=1))
    try:
        with pytest.raises(grpc.RpcError) as caught:
            stub.Sleep(pb.SleepRequest(holder="another", ttl=duration_pb2.Duration(seconds=1)))
    finally:
        client.wake(lease)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "the first one" in caught.value.details()


def test_concurrent_calls_share_the_engine(student: Served, client: StudentClient) -> None:
    requests = [replace(SHORT, n=1, max_tokens=12, seed=seed) for seed in range(12)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(client.generate, requests))
    assert student.model.figures.peak_running >= 8


@pytest.mark.parametrize("source", ["/no/such/folder", "no-such-model"])
def test_an_unknown_model_is_refused_and_the_old_one_stays(client: StudentClient, source: str) -> None:
    before = client.generate(GREEDY)
    with pytest.raises((FieldError, UnsupportedError), match=source):
        client.load_model(source)
    assert client.generate(GREEDY) == before
