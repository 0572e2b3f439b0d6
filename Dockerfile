# An image with korr and everything it needs, and nothing of the build:
#
#   docker build -t korr .
#   mkdir -p out && docker run --rm --user "$(id -u)" -v "$PWD/out:/work" korr demo --quick   # out/korr-demo/report.html
#   docker run --rm -p 127.0.0.1:8080:8080 korr sim --view 0.0.0.0:8080 --policy korr --perturb 1
#
# The C libraries and Go's start are Debian's; Go fetches the release that go.mod asks for.
FROM debian:trixie-slim AS build
RUN apt-get update -q && apt-get install -y -q --no-install-recommends \
    ca-certificates git golang-go gcc libc6-dev libmujoco-dev libopenblas-dev && rm -rf /var/lib/apt/lists/*
ENV GOTOOLCHAIN=auto
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -trimpath -buildvcs=auto -tags "mujoco openblas" -o /out/korr ./cmd/korr && \
    .ci/licenses /out/licenses ./cmd/korr && cp LICENSE NOTICE /out/

FROM debian:trixie-slim
RUN apt-get update -q && apt-get install -y -q --no-install-recommends \
    libmujoco2.2.2 libopenblas0 libosmesa6 ffmpeg && rm -rf /var/lib/apt/lists/* && useradd --create-home korr && mkdir -m 1777 /work
COPY --from=build /out/korr /usr/local/bin/korr
COPY --from=build /out/licenses /out/LICENSE /out/NOTICE /usr/share/doc/korr/
USER korr
# Of whoever --user names, who need not have a home.
ENV XDG_CACHE_HOME=/tmp
WORKDIR /work
ENTRYPOINT ["korr"]
CMD ["demo", "--quick"]
