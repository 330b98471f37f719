"""What the service costs: samples through gRPC against the same engine called in process, in turns.

Both sides keep the same number of requests in flight, of the same prompts with the same seeds, and wait for
all of their samples. The service runs in a process of its own and the bare engine in this one, as in use.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.pairs import Comparison, compare_async
from services.inference.base import LanguageModel
from services.inference.prompting import StudentTemplate
from shared.domain import Sampling
from shared.rpc.channel import Target
from shared.rpc.generated.idiolect.student.v1 import student_pb2 as pb
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc as grpc_pb

Ask = Callable[[str, Sampling], Awaitable[int]]
START_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Load:
    """A workload: `requests` prompts, `in_flight` at a time, one sample each of at most `max_tokens`."""

    prompts: tuple[str, ...]
    in_flight: int
    max_tokens: int

    async def through(self, ask: Ask) -> float:
        """Put the load through; the tokens that came back."""
        places = asyncio.Semaphore(self.in_flight)

        async def one(seed: int, prompt: str) -> int:
            async with places:
                return await ask(prompt, Sampling(max_tokens=self.max_tokens, seed=seed))

        return float(sum(await asyncio.gather(*(one(*entry) for entry in enumerate(self.prompts)))))


async def measured(
    engine: LanguageModel, environment: Mapping[str, str], load: Load, pairs: int
) -> Comparison:
    """The service over the bare engine."""
    async with served(environment) as address, Target(address).channel() as channel:
        stub = grpc_pb.StudentServiceStub(channel)
        info = await stub.GetInfo(pb.GetInfoRequest())
        over = _service(stub, info.model.digest)
        return await compare_async(
            lambda: load.through(over), lambda: load.through(_bare(engine)), pairs=pairs
        )


def _bare(engine: LanguageModel) -> Ask:
    template = StudentTemplate()

    async def ask(prompt: str, sampling: Sampling) -> int:
        return sum([sample.tokens async for sample in engine.sample(template.prompt(prompt), sampling)])

    return ask


def _service(stub: grpc_pb.StudentServiceAsyncStub, digest: str) -> Ask:
    async def ask(prompt: str, sampling: Sampling) -> int:
        wanted = pb.Sampling(
            n=1, temperature=sampling.temperature, max_tokens=sampling.max_tokens, seed=sampling.seed
        )
        asked = pb.GenerateRequest(model_digest=digest, problem=prompt, sampling=wanted)
        return sum([answer.sample.tokens async for answer in stub.Generate(asked)])

    return ask


@asynccontextmanager
async def served(environment: Mapping[str, str]) -> AsyncIterator[str]:
    """A student service in a process of its own; its address."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        told = {**os.environ, **environment, "IDIOLECT_READY_FILE": str(ready), "IDIOLECT_STATE": folder}
        process = subprocess.Popen([sys.executable, "-m", "services.student"], env=told)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not ready.is_file():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the student service did not start")
                await asyncio.sleep(0.1)
            yield ready.read_text("utf-8").split("\n")[0]
        finally:
            process.terminate()
            process.wait()
