#!/usr/bin/env bash
# The half of scripts/test-vm that runs inside of the machine, as root, in the folder that was carried in.
# shellcheck disable=SC2154 # the settings are read from a file
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=/dev/null
. ./settings

say() { printf '==> %s s: %s\n' "$SECONDS" "$*"; }

say "$(uname -sr), Docker $(docker version --format '{{.Server.Version}}'), $(docker info --format 'cgroup v{{.CgroupVersion}} {{.SecurityOptions}}')"
docker load -q -i images.tar
rm images.tar

mkdir -p "$repository" "$(dirname "$worker")"
cp -r files/repository/. "$repository"
cp files/tester-worker "$worker"

export TESTER_WORKER_TEST_TIME_SCALE=10
export TESTER_WORKER_TEST_SANDBOX_IMAGE=$sandbox_image
export TESTER_RUNNER=$PWD/files/tester-runner
export RUST_BACKTRACE=0

start_broker() {
  grep -q " $(hostname)\$" /etc/hosts || echo "127.0.0.1 $(hostname)" >>/etc/hosts
  docker run -d --name broker --network host -e RABBITMQ_NODENAME=rabbit@localhost "$rabbitmq_image" >/dev/null
  printf '#!/bin/sh\nexec docker exec broker rabbitmqctl "$@"\n' >rabbitmqctl
  chmod +x rabbitmqctl
  export TESTER_WORKER_TEST_AMQP_URL='amqp://guest:guest@127.0.0.1:5672/%2f' TESTER_WORKER_TEST_RABBITMQCTL=$PWD/rabbitmqctl
  local tries=0
  until ./rabbitmqctl -q await_startup >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 30 ]; then docker logs --tail 30 broker; return 1; fi
    sleep 1
  done
  say 'the broker answers'
}

# run_suite NAME: the tests one after another; a row for the table.
run_suite() {
  local suite=$1 began=$SECONDS status=0 where=$repository words=()
  case $suite in
    hostile) start_broker; export TESTER_WORKER_TEST_HOSTILE=$filter ;;
    runner) where=$repository/runner ;;
  esac
  if [ "$suite" != hostile ] && [ -n "$filter" ]; then words=("$filter"); fi
  (cd "$where" && exec /job/files/test-"$suite" --test-threads 1 "${words[@]}" 2>&1) | tee "$suite.log" || status=$?
  printf 'row %s %s %s %s\n' "$suite" "$(grep -ac '^test .* ok$' "$suite.log" || true)" \
    "$(grep -ac '^test .* FAILED$' "$suite.log" || true)" "$((SECONDS - began))"
  return "$status"
}

failed=0
for suite in $suites; do
  say "suite $suite"
  run_suite "$suite" || failed=1
done
say "end"
exit "$failed"
