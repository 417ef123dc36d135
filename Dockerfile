# The exact version, not a moving tag; docs/container.md says how to add your registry's digest.
ARG BASE=python:3.13.9-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
RUN python -m venv /opt/gateway
COPY requirements.lock ./
RUN /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY gateway gateway
COPY schema schema
COPY resolvers resolvers
COPY permissions permissions
COPY clinical clinical
COPY sandbox sandbox
# Not editable: the sources stay behind. Byte code is made now, because the file system is read-only later.
RUN /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && /opt/gateway/bin/pip uninstall --yes --quiet setuptools pip \
    && /opt/gateway/bin/python -m compileall -q /opt/gateway/lib

FROM ${BASE}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin gateway
COPY --from=build /opt/gateway /opt/gateway
COPY sbom.cdx.json LICENSE NOTICE /usr/share/doc/clinical-gateway/
ENV PATH=/opt/gateway/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /etc/clinical-gateway
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["clinical-gateway"]
CMD ["serve", "--config", "gateway.toml", "--host", "0.0.0.0"]
