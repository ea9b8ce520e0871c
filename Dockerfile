# Two images: `--target tasks` runs stages and Evergreen's own services, `--target airflow` the scheduler's side.
# Any base with Python 3.11 and its venv module will do. `make images` builds both.
ARG BASE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS runtime
# Init and Git, where the base lacks them.
RUN set -eu; wanted=""; \
    [ -x /usr/bin/tini ] || wanted="$wanted tini"; \
    command -v git >/dev/null || wanted="$wanted git"; \
    [ -s /etc/ssl/certs/ca-certificates.crt ] || wanted="$wanted ca-certificates"; \
    if [ -n "$wanted" ]; then \
      apt-get update && apt-get install --yes --no-install-recommends $wanted && rm -rf /var/lib/apt/lists/*; \
    fi; \
    groupadd --gid 10001 evergreen; \
    useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin evergreen; \
    install --directory --owner 10001 --group 10001 --mode 0750 /evergreen
# Nothing is written to the root file system, which is read-only at run time; HOME is the tmpfs.
ENV PATH=/opt/venv/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    EVERGREEN_HOME=/evergreen EVERGREEN_MODELS=/opt/evergreen/include/models \
    DO_NOT_TRACK=1 SCARF_ANALYTICS=false MLFLOW_DISABLE_TELEMETRY=true DVC_NO_ANALYTICS=1 GX_ANALYTICS_ENABLED=false
WORKDIR /opt/evergreen

FROM ${BASE} AS builder
ARG UV_VERSION=0.13.8
# The machine's certificates, so that an index behind a company's own authority is reached too.
ENV UV_SYSTEM_CERTS=true UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --quiet "uv==${UV_VERSION}" \
    && python3 -m venv --without-pip /opt/venv \
    && echo /opt/evergreen > "$(/opt/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/evergreen.pth"
COPY include/docker/install.sh /opt/

FROM builder AS tasks-venv
# `gpu` takes XGBoost's wheel with CUDA.
ARG XGBOOST=cpu
COPY requirements-tasks.lock requirements-tasks-gpu.lock /opt/
RUN case "${XGBOOST}" in cpu) lock=tasks;; gpu) lock=tasks-gpu;; *) echo "XGBOOST is cpu or gpu" >&2; exit 1;; esac; \
    sh /opt/install.sh "/opt/requirements-${lock}.lock" \
    && printf '#!/opt/venv/bin/python\nfrom pipelines.cli.main import main\n\nmain()\n' > /opt/venv/bin/evergreen \
    && chmod 0755 /opt/venv/bin/evergreen

FROM tasks-venv AS tasks-project
COPY pipelines /opt/evergreen/pipelines
COPY include/models /opt/evergreen/include/models
COPY dvc.yaml pyproject.toml requirements.lock /opt/evergreen/
# The checkout's own permissions may be anything; the user of the image has to read it.
RUN chmod -R a+rX /opt/evergreen \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/evergreen/pipelines

FROM runtime AS tasks
# `promote` and `rollback` sign with ssh-keygen, where the promoter's secrets hold a key.
RUN command -v ssh-keygen >/dev/null || { apt-get update \
    && apt-get install --yes --no-install-recommends openssh-client && rm -rf /var/lib/apt/lists/*; }
COPY --from=tasks-venv /opt/venv /opt/venv
COPY --from=tasks-project /opt/evergreen /opt/evergreen
ARG VERSION=0
ARG GIT_SHA=
LABEL org.opencontainers.image.title="evergreen tasks" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${GIT_SHA}"
ENV EVERGREEN_GIT_SHA=${GIT_SHA}
USER 10001:10001
ENTRYPOINT ["/usr/bin/tini", "-g", "--", "evergreen"]
CMD ["--help"]

FROM builder AS airflow-venv
COPY requirements-airflow.lock /opt/
RUN sh /opt/install.sh /opt/requirements-airflow.lock

FROM airflow-venv AS airflow-project
# Of pipelines only what dags and plugins import: settings, models' types, the ledger and alerts.
COPY pipelines/__init__.py pipelines/errors.py /opt/evergreen/pipelines/
COPY pipelines/alerts /opt/evergreen/pipelines/alerts
COPY pipelines/config /opt/evergreen/pipelines/config
COPY pipelines/ledger /opt/evergreen/pipelines/ledger
COPY pipelines/storage /opt/evergreen/pipelines/storage
COPY include/models /opt/evergreen/include/models
COPY include/docker/airflow_init.py /opt/evergreen/include/docker/
COPY dags /opt/evergreen/dags
COPY plugins /opt/evergreen/plugins
COPY dvc.yaml pyproject.toml requirements.lock /opt/evergreen/
RUN chmod -R a+rX /opt/evergreen \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/evergreen

FROM runtime AS airflow
RUN install --directory --owner 10001 --group 10001 --mode 0750 /opt/airflow
ENV AIRFLOW_HOME=/opt/airflow AIRFLOW__CORE__LOAD_EXAMPLES=false \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/evergreen/dags AIRFLOW__CORE__PLUGINS_FOLDER=/opt/evergreen/plugins
COPY --from=airflow-venv /opt/venv /opt/venv
COPY --from=airflow-project /opt/evergreen /opt/evergreen
ARG VERSION=0
ARG GIT_SHA=
LABEL org.opencontainers.image.title="evergreen airflow" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${GIT_SHA}"
ENV EVERGREEN_GIT_SHA=${GIT_SHA}
USER 10001:10001
ENTRYPOINT ["/usr/bin/tini", "-g", "--"]
CMD ["airflow", "version"]
