# shellcheck shell=bash
# Shared by the scripts beside it: words for the user, waiting, Docker, images, broker. Sourced, never run.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# setting NAME [DEFAULT]: from the environment, else from .env, else DEFAULT.
setting() {
  local value=${!1:-}
  if [ -z "$value" ] && [ -f "$repo/.env" ]; then value=$(sed -n "s/^$1=//p" "$repo/.env" | tail -n 1); fi
  echo "${value:-${2:-}}"
}

DEBIAN_IMAGE=$(setting DEBIAN_IMAGE debian:trixie-slim)
RABBITMQ_IMAGE=$(setting RABBITMQ_IMAGE rabbitmq:4)
TESTER_WORKER_IMAGE=$(setting TESTER_WORKER_IMAGE tester-worker)
TESTER_SANDBOX_IMAGE=tester-sandbox
TESTER_SANDBOX_CPP_IMAGE=tester-sandbox-cpp
# shellcheck disable=SC2034 # the scripts read these
readonly repo DEBIAN_IMAGE RABBITMQ_IMAGE TESTER_WORKER_IMAGE TESTER_SANDBOX_IMAGE TESTER_SANDBOX_CPP_IMAGE

# A folder for what the script writes down meanwhile, and what to do at its end, last added first.
scratch=$(mktemp -d)
exit_commands=("rm -rf '$scratch'")
at_exit() { exit_commands=("$1" "${exit_commands[@]}"); }
run_exit_commands() {
  local command
  for command in "${exit_commands[@]}"; do eval "$command" || true; done
}
trap run_exit_commands EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# say TEXT: one line of progress. All progress goes to stderr; stdout is for answers.
say() { printf '==> %s\n' "$*" >&2; }

# die WHAT [HINT]: what went wrong, to what, and what to do.
die() {
  printf 'error: %s\n' "$1" >&2
  if [ -n "${2:-}" ]; then printf 'hint: %s\n' "$2" >&2; fi
  exit 1
}

# wait_until SECONDS COMMAND…: true as soon as the command succeeds, false when the time is over.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then return 1; fi
    sleep 0.3
  done
}

# quietly TEXT COMMAND…: says TEXT, runs the command, shows what it printed only if it failed. Where it takes long, it says
# each half minute where it is.
child=
# shellcheck disable=SC2016 # expands when it is run
at_exit '[ -z "$child" ] || kill "$child" 2>/dev/null'
quietly() {
  local text=$1 log=$scratch/quietly.log status=0 began=$SECONDS
  shift
  say "$text"
  "$@" >"$log" 2>&1 </dev/null &
  child=$!
  until wait_until 30 gone "$child"; do
    say "  … $((SECONDS - began)) s: $(sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-90 || true)"
  done
  wait "$child" || status=$?
  child=
  if [ "$status" -ne 0 ]; then
    tail -n 60 "$log" >&2
    die "this failed with status $status: $*" 'the lines above say why; run the script again once it is mended'
  fi
  if [ $((SECONDS - began)) -ge 5 ]; then say "  … done in $((SECONDS - began)) s"; fi
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# packages NAME…: installs the Debian packages that are not there yet.
packages() {
  local name missing=()
  for name in "$@"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" != installed ]; then missing+=("$name"); fi
  done
  if [ "${#missing[@]}" -eq 0 ]; then return 0; fi
  command -v apt-get >/dev/null || die "these are missing and there is no apt-get to install them: ${missing[*]}" 'install them by hand'
  if [ "$(id -u)" -ne 0 ]; then
    die "these packages are missing: ${missing[*]}" "as root: apt-get install ${missing[*]}, or run this script as root"
  fi
  quietly "Reading the list of packages" apt-get update -qq
  quietly "Installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# docker_up: a Docker daemon that answers; installed and started if it is not.
docker_up() {
  if docker version >/dev/null 2>&1; then return 0; fi
  if [ -n "${DOCKER_HOST:-}" ]; then
    die "Docker does not answer at $DOCKER_HOST" 'start it there, or unset DOCKER_HOST to use one on this machine'
  fi
  if ! command -v dockerd >/dev/null; then packages docker.io; fi
  # Debian 13 keeps the command in a package of its own.
  if ! command -v docker >/dev/null; then packages docker-cli; fi
  if docker version >/dev/null 2>&1; then return 0; fi
  if [ "$(id -u)" -ne 0 ]; then
    die 'Docker does not answer' 'start it (systemctl start docker), join the group docker, or run this script as root'
  fi
  say 'Starting Docker'
  if [ -d /run/systemd/system ]; then
    systemctl start docker >&2 || true
  elif ! service docker start >/dev/null 2>&1 || ! wait_until 15 docker version; then
    # No init system here (a container, a minimal VM): the daemon is started alone and left running.
    setsid dockerd >/var/log/dockerd.log 2>&1 </dev/null &
  fi
  wait_until 60 docker version || die 'Docker was started and does not answer after 60 s' 'see journalctl -u docker, or /var/log/dockerd.log'
}

# compose ARGS…: Compose, whichever there is: v2 as Docker's plugin, or 1.29 as its own command.
compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose "$@"
  else
    docker-compose "$@"
  fi
}

compose_installed() {
  if docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; then return 0; fi
  packages docker-compose
}

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

# pull IMAGE: pulls it. Gives up after 20 seconds if no registry has answered by then, so that a closed network costs
# little; once one has answered, the download may take its time.
no_registry=
pull() {
  local log=$scratch/pull.log status=0
  if [ -n "$no_registry" ]; then return 1; fi
  docker pull "$1" >"$log" 2>&1 &
  child=$!
  if ! wait_until 20 pull_answered "$log" "$child"; then kill "$child" 2>/dev/null || true; fi
  wait "$child" || status=$?
  child=
  if [ "$status" -ne 0 ]; then no_registry=yes; fi
  return "$status"
}
pull_answered() { grep -q 'Pulling from' "$1" || gone "$2"; }

# build TAG DOCKERFILE WHAT [CONTEXT]: builds an image; Docker's cache makes an unchanged one instant.
build() {
  quietly "Building the image $1 ($3)" \
    docker build --force-rm -t "$1" -f "$repo/$2" --build-arg "DEBIAN_IMAGE=$DEBIAN_IMAGE" "$repo/${4:-.}"
}

# free_port FIRST: the first port from FIRST on that nothing on this machine listens on.
free_port() {
  local port=$1
  while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}
