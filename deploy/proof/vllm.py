"""vLLM's build for processors in containers: as the student, and as the API that the oracle asks."""

from __future__ import annotations

import httpx2

from deploy.proof import asking
from deploy.proof.engine import FILES, Containers
from shared.clients.platform import PlatformClient

IMAGE = "idiolect-vllm-cpu:0.1.0"
_FILES = (*FILES, "deploy/compose.vllm-cpu.yml", "deploy/compose.api.yml", "deploy/proof/api.yml")
_ASKED = {"problem": "What is 6 + 1?", "n": 4, "max_tokens": 24}
_WRONG = [
    {"problem": "Tom has 3 apples and buys 4. How many has he?", "steps": ["3 + 4 = 8", "A: 8"], "gold": "7"}
]


class OnVllm:
    """A student on vLLM, and an oracle on an API that vLLM serves."""

    def __init__(self, containers: Containers, services: tuple[str, ...]) -> None:
        """The settings are those that would stand in ``.env``."""
        self._containers, self._services = containers, services
        self.environment = {
            "COMPOSE_FILE": ":".join(_FILES),
            "ORACLE_API_URL": "http://api:8000/v1",
            "ORACLE_API_MODEL": "smollm2",
        }

    def build(self) -> int:
        """Bytes of the image, which is built."""
        self._containers.compose("build", "-q", "student", **self.environment)
        return self._containers.size(IMAGE)

    def up(self) -> None:
        """Student, API and oracle, one after another, and whoever asks them."""
        options = ("up", "-d", "--no-build", "--wait")
        self._containers.compose(*options, *self._services, **self.environment)

    def sampled(self, url: str, key: str) -> dict[str, object]:
        """What the student on vLLM said of itself in its last answer."""
        headers = {"Authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=url, headers=headers, timeout=300) as client:
            for _ in range(3):
                answer = client.post("/v1/rollouts", json=_ASKED)
                assert answer.status_code == 200, answer.text
        told: dict[str, object] = answer.json()["model"]
        return told

    def refined(self, client: PlatformClient, profile: str) -> bytes:
        """Records of a wrong solution in which the API was asked for the wrong step."""
        return asking.records(client, client.submit(_WRONG, config={"profile": profile}).id)

    def end(self) -> None:
        """Remove the API's container, which the other files of Compose don't know."""
        self._containers.compose("rm", "--stop", "--force", "api", **self.environment)
