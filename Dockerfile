# One image for every service of ours: what differs is the command (compose.yaml).
ARG PYTHON_IMAGE=python:3.11.17-slim-trixie@sha256:45037981b62b34b44602584fccbc4d884d5f7dc92c7ee86bb38a698a79fe1e51
FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY requirements/installer.lock requirements/streamflow.lock requirements/
RUN python -m venv /build/tools \
 && tools/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r requirements/installer.lock \
 && python -m venv --without-pip /opt/streamflow \
 && tools/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/streamflow/bin/python --require-hashes -r requirements/streamflow.lock \
 && find /opt/streamflow -type d \( -name tests -o -name test \) -path '*/site-packages/*/*' -prune -exec rm -rf {} +
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY src src
COPY sbom sbom
RUN tools/bin/python -m hatchling build -t wheel >/dev/null \
 && tools/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/streamflow/bin/python --no-deps dist/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="streamflow" \
      org.opencontainers.image.description="Churn predictions that can be audited, from monthly CSV drops" \
      org.opencontainers.image.version="1.0.0" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /state streamflow \
 && install -d -o streamflow -g streamflow -m 0750 /state /state/artifacts /data /inbox \
 && install -d -o streamflow -g streamflow -m 0755 /secrets
COPY --from=build /opt/streamflow /opt/streamflow
COPY deploy/docker /opt/streamflow/deploy
ENV PATH=/opt/streamflow/bin:$PATH \
    HOME=/state \
    MPLCONFIGDIR=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    STREAMFLOW_HOME=/state
USER streamflow
WORKDIR /state
ENTRYPOINT ["/opt/streamflow/deploy/entrypoint.sh"]
CMD ["streamflow", "--help"]
