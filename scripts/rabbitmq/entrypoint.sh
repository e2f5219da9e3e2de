#!/bin/sh
# Starts as root only to own the data volume, then runs the server as `rabbitmq`. Debian's wrapper of the same name is
# passed by: it would send the log to a file and keep SIGTERM from the server.
set -eu
if [ "$1" = rabbitmq-server ]; then
  if [ "$(id -u)" = 0 ]; then
    find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq:rabbitmq {} +
    exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups "$0" "$@"
  fi
  shift
  cd /var/lib/rabbitmq
  exec /usr/lib/rabbitmq/bin/rabbitmq-server "$@"
fi
exec "$@"
