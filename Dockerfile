# The gateway: `docker build -t gmt .`, then compose.yaml or
# `docker run -p 8080:8080 -v ./runs:/runs -v ./pool.yaml:/pool.yaml gmt --run /runs/demo --pool /pool.yaml`.
FROM python:3.12-slim
WORKDIR /app
# Torch without CUDA first and alone: it is the largest layer and changes least.
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu torch
COPY pyproject.toml README.md LICENSE ./
COPY gmt ./gmt
COPY data_prep ./data_prep
COPY configs ./configs
RUN pip install --no-cache-dir --constraint constraints.txt '.[serve,postgres,offline]' \
    && useradd --create-home --uid 10001 gmt
USER gmt
ENV OMP_NUM_THREADS=1
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/ready', timeout=4)"]
ENTRYPOINT ["gmt", "serve", "--host", "0.0.0.0"]
CMD ["--run", "/runs/current", "--pool", "/pool.yaml"]
