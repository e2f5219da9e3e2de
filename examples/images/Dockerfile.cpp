# tester-sandbox-cpp: the image of the profiles in examples/profiles/c-and-cpp.toml.
#   docker build -t tester-sandbox-cpp -f examples/images/Dockerfile.cpp examples/images
# Any Linux image will do for a profile; this one is Debian's compilers and nothing else.
ARG DEBIAN_IMAGE=debian:trixie-slim
FROM ${DEBIAN_IMAGE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc g++ libc6-dev \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log \
 && find / -xdev -perm /6000 \( -type f -o -type d \) -exec chmod a-s {} +
ENV LANG=C.UTF-8
