"""The Celery application: how messages travel. Nothing else imports Celery but this folder.

Messages hold ids only, are acknowledged when the task is over, and go back to the queue when its process
dies.
A message that Redis loses is sent again by the reconciler; one that comes late finds its work done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from celery import Celery
from kombu import Queue

from services.pipeline.settings import PipelineSettings
from shared.jobs.nudge import BULK, INTERACTIVE, PREFIX
from shared.rpc.settings import from_environment

Task = TypeVar("Task", bound=Callable[..., None])
HARD_SECONDS = 7200
_VISIBLE_SECONDS = HARD_SECONDS + 1800


def celery_app(url: str) -> Celery:
    """The application on one Redis."""
    app = Celery("idiolect", broker=url, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(name, routing_key=name) for name in (BULK, INTERACTIVE)],
        task_default_queue=BULK,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=HARD_SECONDS,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=5,
        broker_transport_options={
            "global_keyprefix": PREFIX,
            "visibility_timeout": _VISIBLE_SECONDS,
            "socket_timeout": 15,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "retry_on_timeout": True,
            "health_check_interval": 30,
        },
    )
    return app


app = celery_app(from_environment(PipelineSettings).redis_url)


def task(name: str) -> Callable[[Task], Task]:
    """Makes a function the task of that name."""

    def registered(function: Task) -> Task:
        app.task(name=name)(function)
        return function

    return registered
