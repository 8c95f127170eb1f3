# polymart-jobs: pipeline steps, monitoring, MLflow and the feature server. Built from the folder that
# `polymart images context jobs FOLDER` writes; it holds every wheel, so that the build asks no network:
#   buildah bud --network none --build-arg BASE=REPOSITORY@sha256:DIGEST --build-arg COMMIT=COMMIT FOLDER
# BASE is Debian 12 or later with python3, python3-venv, git and ca-certificates.
ARG BASE

FROM ${BASE} AS build
RUN python3 -m venv --copies /opt/polymart
COPY requirements.txt /context/
COPY wheels /context/wheels
# Hashes of every file; bytecode is written now, since nobody can write it later.
RUN /opt/polymart/bin/pip install --no-cache-dir --no-index --find-links /context/wheels --no-deps --require-hashes \
      --compile -r /context/requirements.txt \
 && rm -rf /opt/polymart/lib/python3*/site-packages/pip /opt/polymart/lib/python3*/site-packages/pip-* /opt/polymart/bin/pip*

FROM ${BASE}
ARG COMMIT=""
LABEL org.opencontainers.image.title="polymart-jobs" \
      org.opencontainers.image.description="Steps of Polymart's pipelines, monitoring, registry and feature server" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /opt/polymart /opt/polymart
COPY sbom.cdx.json /usr/share/sbom/polymart-jobs.cdx.json
# The root file system is mounted read-only: what is written goes to /tmp and to mounted volumes.
ENV PATH=/opt/polymart/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 POLYMART_CODE_COMMIT=${COMMIT}
USER 1034:1034
WORKDIR /tmp
CMD ["polymart", "--help"]
