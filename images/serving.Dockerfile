# polymart-serving: one release's bento. Built from the folder that `polymart images context serving FOLDER --bento B`
# writes; it holds every wheel, so that the build asks no network:
#   buildah bud --network none --build-arg BASE=REPOSITORY@sha256:DIGEST --build-arg COMMIT=COMMIT FOLDER
# BASE is Debian 12 or later with python3 and python3-venv.
ARG BASE

FROM ${BASE} AS build
RUN python3 -m venv --copies /opt/polymart
COPY requirements.txt /context/
COPY wheels /context/wheels
RUN /opt/polymart/bin/pip install --no-cache-dir --no-index --find-links /context/wheels --no-deps --require-hashes \
      --compile -r /context/requirements.txt \
 && rm -rf /opt/polymart/lib/python3*/site-packages/pip /opt/polymart/lib/python3*/site-packages/pip-* /opt/polymart/bin/pip*

FROM ${BASE}
ARG COMMIT=""
LABEL org.opencontainers.image.title="polymart-serving" \
      org.opencontainers.image.description="All decisions of the shop from one checkpoint" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /opt/polymart /opt/polymart
COPY bento /opt/bento
COPY sbom.cdx.json /usr/share/sbom/polymart-serving.cdx.json
ENV PATH=/opt/polymart/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 \
    BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=True POLYMART_CODE_COMMIT=${COMMIT}
USER 1034:1034
WORKDIR /tmp
EXPOSE 3000
CMD ["bentoml", "serve", "/opt/bento", "--host", "0.0.0.0", "--port", "3000"]
