# The services without a language model in their process: gateway, pipeline, and the oracle by rules or over an API.
# One target each: docker build -f deploy/docker/light.Dockerfile --target gateway .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# Wheels to prefer to those of the package index; a build context named `wheels` takes the place of this stage.
FROM scratch AS wheels

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_CACHE_DIR=/cache PIP_FIND_LINKS=/wheels PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

FROM builder AS gateway-built
COPY requirements/gateway.txt ./
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    pip install --quiet --prefix=/install -r gateway.txt
COPY shared/ /app/shared/
COPY services/__init__.py services/py.typed* /app/services/
COPY services/gateway/ /app/services/gateway/
RUN python -m compileall -q /app

FROM builder AS pipeline-built
COPY requirements/pipeline.txt ./
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    pip install --quiet --prefix=/install -r pipeline.txt
COPY shared/ /app/shared/
COPY services/__init__.py services/py.typed* /app/services/
COPY services/pipeline/ /app/services/pipeline/
RUN python -m compileall -q /app

FROM builder AS oracle-built
COPY requirements/oracle.txt ./
RUN --mount=type=cache,target=/cache,sharing=shared --mount=type=bind,from=wheels,target=/wheels \
    pip install --quiet --prefix=/install -r oracle.txt
COPY shared/ /app/shared/
COPY services/__init__.py services/py.typed* /app/services/
COPY services/inference/ /app/services/inference/
COPY services/oracle/ /app/services/oracle/
RUN python -m compileall -q /app

FROM ${PYTHON_IMAGE} AS runtime
# The same user in every image, so that they can share volumes.
RUN groupadd --gid 10001 idiolect && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp idiolect \
    && install -d -o 10001 -g 10001 /data/store /data/state
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    IDIOLECT_STORE=file:/data/store IDIOLECT_STATE=/data/state
USER 10001:10001
WORKDIR /data
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Idiolect" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY LICENSE /app/

FROM runtime AS gateway
LABEL org.opencontainers.image.title="idiolect-gateway" \
      org.opencontainers.image.description="The HTTP door of Idiolect."
COPY --from=gateway-built /install /usr/local
COPY --from=gateway-built /app /app
ENV IDIOLECT_GATEWAY_LISTEN=0.0.0.0:8080 IDIOLECT_HEALTH=http://127.0.0.1:8080/readyz
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=20s --start-period=60s --start-interval=2s --retries=5 \
    CMD ["python", "-m", "shared.rpc.health"]
ENTRYPOINT ["python", "-m", "services.gateway"]

FROM runtime AS pipeline
LABEL org.opencontainers.image.title="idiolect-pipeline" \
      org.opencontainers.image.description="A host of workers of Idiolect."
COPY --from=pipeline-built /install /usr/local
COPY --from=pipeline-built /app /app
ENV IDIOLECT_METRICS_LISTEN=0.0.0.0:9100 IDIOLECT_HEALTH=http://127.0.0.1:9100/metrics
EXPOSE 9100
HEALTHCHECK --interval=15s --timeout=20s --start-period=60s --start-interval=2s --retries=5 \
    CMD ["python", "-m", "shared.rpc.health"]
ENTRYPOINT ["python", "-m", "services.pipeline"]

FROM runtime AS oracle
LABEL org.opencontainers.image.title="idiolect-oracle" \
      org.opencontainers.image.description="The oracle of Idiolect, by rules or over an API."
COPY --from=oracle-built /install /usr/local
COPY --from=oracle-built /app /app
ENV IDIOLECT_LISTEN=0.0.0.0:50052 IDIOLECT_METRICS_LISTEN=0.0.0.0:9100 IDIOLECT_HEALTH=grpc://127.0.0.1:50052
EXPOSE 50052 9100
HEALTHCHECK --interval=15s --timeout=20s --start-period=60s --start-interval=2s --retries=5 \
    CMD ["python", "-m", "shared.rpc.health"]
ENTRYPOINT ["python", "-m", "services.oracle"]
