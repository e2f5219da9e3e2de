# A sandbox image for C and C++. Any Linux image will do; this one is Debian's compilers and nothing else.
#   docker build -t sandbox-cpp -f examples/images/Dockerfile.cpp examples/images
#
# The profile that goes with it, in the worker's configuration:
#   [profiles.cpp]
#   image = "sandbox-cpp"
#   entry = "main.cpp"
#   compile = ["g++", "-O2", "-std=c++20", "-o", "program", "{entry}"]
#   argv = ["./program"]
#   limits = { wall_seconds = 10, memory_bytes = 536870912 }
ARG DEBIAN_IMAGE=debian:trixie-slim
FROM ${DEBIAN_IMAGE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ libc6-dev \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && find / -xdev -perm /6000 \( -type f -o -type d \) -exec chmod a-s {} +
ENV LANG=C.UTF-8
