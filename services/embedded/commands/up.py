"""``idiolect up``: the services on this machine, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_StudentEngine = Annotated[
    str, typer.Option("--student-engine", help="Engine of the student: vllm, transformers, openai, ...")
]
_OracleEngine = Annotated[
    str, typer.Option("--oracle-engine", help="Engine of the oracle: rules, vllm, transformers, openai, ...")
]
_Model = Annotated[str | None, typer.Option("--model", help="The student: folder, GGUF file or hub name.")]
_OracleModel = Annotated[
    str | None, typer.Option("--oracle-model", help="The oracle's model: folder, GGUF file or hub name.")
]
_StudentPort = Annotated[
    int, typer.Option("--student-port", min=0, max=65535, help="Port of the student; 0: any free one.")
]
_OraclePort = Annotated[
    int, typer.Option("--oracle-port", min=0, max=65535, help="Port of the oracle; 0: any free one.")
]
_StudentMetrics = Annotated[
    int, typer.Option("--student-metrics-port", min=0, max=65535, help="Port of the student's /metrics.")
]
_OracleMetrics = Annotated[
    int, typer.Option("--oracle-metrics-port", min=0, max=65535, help="Port of the oracle's /metrics.")
]
_Gateway = Annotated[
    int | None,
    typer.Option(
        "--gateway-port", min=0, max=65535, help="Start the gateway there, with workers; 0: any free port."
    ),
]
_Trainer = Annotated[
    bool,
    typer.Option("--trainer/--no-trainer", help="Start the trainer; the student serves what it is told."),
]
_TrainerPort = Annotated[
    int, typer.Option("--trainer-port", min=0, max=65535, help="Port of the trainer; 0: any free one.")
]
_TrainerMetrics = Annotated[
    int, typer.Option("--trainer-metrics-port", min=0, max=65535, help="Port of the trainer's /metrics.")
]
_TrainerBases = Annotated[
    str | None,
    typer.Option("--trainer-bases", help="Models that may be trained: NAME=FOLDER, with commas between."),
]
_Studies = Annotated[
    bool, typer.Option("--studies/--no-studies", help="Start the host that runs studies of the gateway.")
]
_StudyModels = Annotated[
    str | None,
    typer.Option("--study-models", help="Students that studies may name: NAME=FOLDER, with commas between."),
]
_StudyProcesses = Annotated[
    int | None,
    typer.Option("--study-processes", min=1, help="Worker processes of a study; default: one a processor."),
]
_StudyMetrics = Annotated[
    int, typer.Option("--study-metrics-port", min=0, max=65535, help="Port of the study host's /metrics.")
]
_State = Annotated[
    Path | None, typer.Option("--state", file_okay=False, help="Folder for what the services keep.")
]
_Jobs = Annotated[bool, typer.Option("--jobs/--no-jobs", help="Start workers for jobs, and Redis for them.")]
_Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, help="Shards of jobs that are worked at once.")
]
_PipelineMetrics = Annotated[
    int, typer.Option("--pipeline-metrics-port", min=0, max=65535, help="Port of the workers' /metrics.")
]
_AsJson = Annotated[
    bool, typer.Option("--json", help="Print one line of JSON once all services are ready, and nothing else.")
]


def command(
    student_engine: _StudentEngine = "transformers",
    oracle_engine: _OracleEngine = "rules",
    model: _Model = None,
    oracle_model: _OracleModel = None,
    student_port: _StudentPort = 0,
    oracle_port: _OraclePort = 0,
    student_metrics_port: _StudentMetrics = 0,
    oracle_metrics_port: _OracleMetrics = 0,
    jobs: _Jobs = False,
    concurrency: _Concurrency = 2,
    pipeline_metrics_port: _PipelineMetrics = 0,
    gateway_port: _Gateway = None,
    trainer: _Trainer = False,
    trainer_port: _TrainerPort = 0,
    trainer_metrics_port: _TrainerMetrics = 0,
    trainer_bases: _TrainerBases = None,
    studies: _Studies = False,
    study_models: _StudyModels = None,
    study_processes: _StudyProcesses = None,
    study_metrics_port: _StudyMetrics = 0,
    state: _State = None,
    as_json: _AsJson = False,
) -> None:
    """Start student and oracle, and what else is wanted (see the options), on loopback until Ctrl-C.

    Prints where each service listens once it is ready, and passes on what they write under their names. A
    service that dies starts again at the same address, later each time; one that can't start ends the
    command with 5. Ctrl-C or SIGTERM lets them finish what they do (exit code 0); a second one kills them
    (130). However this command ends, no process stays behind.
    """
    from services.embedded.serving import (
        GatewaySettings,
        JobSettings,
        ServiceSettings,
        StudySettings,
        TrainerSettings,
        keep_up,
        own_base,
        patience,
        specs,
    )

    student = ServiceSettings(student_engine, model, student_port, student_metrics_port)
    oracle = ServiceSettings(oracle_engine, oracle_model, oracle_port, oracle_metrics_port)
    gateway = None if gateway_port is None else GatewaySettings(gateway_port)
    workers = JobSettings(concurrency, pipeline_metrics_port) if jobs or gateway else None
    bases = trainer_bases or own_base(model)
    training = TrainerSettings(bases, trainer_port, trainer_metrics_port) if trainer else None
    host = StudySettings(study_models, study_processes, study_metrics_port) if studies else None
    services = specs(student, oracle, state, workers, gateway, training, host)
    raise typer.Exit(keep_up(services, patience(), as_json=as_json))
