# docker build -t amphion .
# docker run --rm amphion demo             the two commands of the front page: demo, test
# docker run --rm --gpus all --shm-size 8g -v "$PWD":/work -w /work --entrypoint amphion amphion infer --checkpoint pretrained/vits_kathleen --text "Hi."
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends gcc g++ libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /amphion
COPY . .
RUN bash env.sh
ENV PATH="/amphion/.venv/bin:$PATH"
ENTRYPOINT ["bash", "/amphion/env.sh"]
CMD ["demo"]
