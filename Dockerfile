# One image for hosts and workers. Put your own modules into a layer on top: COPY orders /app/orders
FROM python:3.13-slim AS build
COPY --from=ghcr.io/astral-sh/uv:0.13 /uv /bin/uv
WORKDIR /app
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-dev --all-extras --no-install-project
COPY sdk sdk
COPY activity_code activity_code
COPY actors actors
COPY broker broker
COPY cli cli
COPY client client
COPY conformance conformance
COPY payload_stores payload_stores
COPY persistence persistence
COPY schedules schedules
COPY testing testing
COPY reasons reasons
COPY rehearsal rehearsal
COPY verification verification
COPY workers workers
RUN uv sync --locked --no-dev --all-extras --no-editable

FROM python:3.13-slim
RUN useradd --create-home dalsegno
WORKDIR /app
COPY --from=build /app/.venv /app/.venv
COPY examples examples
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER dalsegno
ENTRYPOINT ["dalsegno"]
CMD ["--help"]
