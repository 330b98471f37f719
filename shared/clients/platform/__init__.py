"""The platform over HTTP: jobs, students, scores and verifications, asked of a gateway."""

from shared.clients.platform.client import PlatformClient
from shared.clients.platform.views import Job, Score, Student, Verification

__all__ = ["Job", "PlatformClient", "Score", "Student", "Verification"]
