# tester-worker: the worker, with the runner inside it.
#   docker build -t tester-worker .
# Three stages, so that a changed source file rebuilds the worker but not what it depends on:
# tools (Rust and a C linker), build (dependencies, then the sources), and the small image that runs.
ARG DEBIAN_IMAGE=debian:trixie-slim

FROM ${DEBIAN_IMAGE} AS tools
# Debian 13's own Rust is too old; its backports have a newer one. The packages come from the server that the image
# already uses, whichever way it writes its sources down.
RUN apt-get update -qq \
 && server=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: trixie' | head -n 1) \
 && echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${server} trixie-backports main" >/etc/apt/sources.list.d/backports.list \
 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates gcc libc6-dev \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -t trixie-backports cargo rustc \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt

FROM tools AS build
WORKDIR /build
# The dependencies alone, with empty sources in the place of ours. build.rs is the real one: it builds the runner's
# dependencies too, in the folder where the real build will look for them.
COPY Cargo.toml Cargo.lock build.rs ./
COPY runner/Cargo.toml runner/
RUN mkdir -p src runner/src \
 && touch src/lib.rs runner/src/lib.rs \
 && echo 'fn main() {}' | tee src/main.rs >runner/src/main.rs \
 && cargo build --release --locked --bin tester-worker
# Cargo compares times, and the sources may be older than the build above: `touch` makes them newer.
COPY runner runner
COPY src src
RUN find src runner -type f -exec touch {} + \
 && cargo build --release --locked --bin tester-worker \
 && cp target/release/tester-worker /usr/local/bin/

FROM ${DEBIAN_IMAGE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && groupadd --gid 10001 tester-worker \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin tester-worker
COPY scripts/entrypoint.sh /usr/local/bin/entrypoint.sh
COPY --from=build /usr/local/bin/tester-worker /usr/local/bin/tester-worker

# The C library's allocator keeps what was freed for each thread by itself, and large blocks too once it has seen some.
# Results are large and short-lived: with these it gives them back, and the worker stays small (tests/serve/memory.rs).
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=131072

# The sidecar: loopback by default; docker-compose.yml opens it to the container's network.
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["tester-worker", "health"]
ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]
CMD ["serve"]
