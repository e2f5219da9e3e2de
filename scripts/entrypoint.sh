#!/bin/sh
# Starts as root for one thing only: to learn which group may use Docker's socket. Then the worker runs as the user
# `tester-worker` with that group, without capabilities, and can never get any back.
set -eu

# Started with --user: the choice of user and groups is the operator's.
if [ "$(id -u)" != 0 ]; then
  exec tester-worker "$@"
fi

socket=${TESTER_WORKER__DOCKER__HOST:-unix:///var/run/docker.sock}
socket=${socket#unix://}
if [ -S "$socket" ]; then
  groups="--groups=$(stat -c %g "$socket")"
else
  # No socket: a remote daemon, or a command that needs none (submit, keys). The worker says so where it matters.
  groups=--clear-groups
fi
exec setpriv --reuid=tester-worker --regid=tester-worker "$groups" \
  --inh-caps=-all --ambient-caps=-all --no-new-privs -- tester-worker "$@"
