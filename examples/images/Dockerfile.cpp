# A sandbox image for C and C++. Any Linux image will do; this one is Debian's compilers and nothing else.
#   docker build -t sandbox-cpp -f examples/images/Dockerfile.cpp examples/images
#
# The profile that goes with it, in the worker's configuration:
#   [profiles.cpp]
#   image = "sandbox-cpp"
#   entry = "main.cpp"
#   argv = ["compile-and-run", "{entry}"]
#   limits = { wall_seconds = 20, cpu_seconds = 20, memory_bytes = 536870912 }
#
# Compiling is part of the run: its time and memory count, and a program that does not compile ends as `runtime_error`
# with the compiler's words on stderr. (The worker does not run a stage `compile` of its own yet.)
ARG DEBIAN_IMAGE=debian:trixie-slim
FROM ${DEBIAN_IMAGE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ libc6-dev \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && find / -xdev -perm /6000 \( -type f -o -type d \) -exec chmod a-s {} +
ENV LANG=C.UTF-8
# Below /box, for /tmp executes nothing.
RUN printf '#!/bin/sh\nset -e\nsource=$1; shift\ng++ -O2 -std=c++20 -o ./.program "$source"\nexec ./.program "$@"\n' \
      >/usr/local/bin/compile-and-run && chmod 755 /usr/local/bin/compile-and-run
