# Two images from one wheel:
#   docker build --target predict --tag monai_degia .
#   docker build --target label --tag monai_degia_label .
# PyPI's torch for Linux brings CUDA. For processors alone, name an index that has smaller wheels:
#   docker build --target predict --build-arg PIP_EXTRA_INDEX_URL=ADDRESS --tag monai_degia .

FROM python:3.11-slim AS wheel
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim AS base
# Any user may run it (docker run --user), so what libraries keep for themselves goes where all may write.
ENV HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONUNBUFFERED=1
RUN useradd --no-create-home --uid 1000 landmarks

# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/xrays:/images:ro" -v "$PWD/found:/found" monai_degia predict /images /found
FROM base AS predict
ARG PIP_EXTRA_INDEX_URL=
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir /wheels/*.whl
USER 1000
WORKDIR /tmp
ENTRYPOINT ["monai_degia"]
CMD ["--help"]

# docker run --rm --user "$(id -u):$(id -g)" -p 127.0.0.1:8000:8000 -v "$PWD/xrays:/studies" monai_degia_label
# The server writes logs and weights into its app's folder, and an index and labels into /studies.
# What it is fine-tuned to goes with the container, unless it is kept: -v "$PWD/models:/models" ... /studies --host 0.0.0.0 --conf model_dir /models
# The port is published on this computer alone; docs/label.md says what a server for others needs (allow_hosts, tokens).
FROM base AS label
ARG PIP_EXTRA_INDEX_URL=
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir "$(echo /wheels/*.whl)[label]" \
    && chmod -R a+rwX "$(python -c 'import importlib.util as u; print(u.find_spec("monai_degia").submodule_search_locations[0])')/label_app"
USER 1000
WORKDIR /tmp
EXPOSE 8000
ENTRYPOINT ["monai_degia", "serve"]
CMD ["/studies", "--host", "0.0.0.0"]
