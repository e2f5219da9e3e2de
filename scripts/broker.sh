# shellcheck shell=bash
# A private RabbitMQ node for tests: its own ports, name and data folder, none of which outlive it. It is made of Debian's
# package rabbitmq-server, without its service and without root; or, where TESTER_WORKER_TEST_BROKER_IMAGE names an image
# (rabbitmq:4), it is a container of it. Sourced after lib.sh.
# shellcheck disable=SC2154,SC1091

broker_sbin() { find /usr/lib/rabbitmq/lib -maxdepth 2 -path '*/rabbitmq_server-*/sbin' 2>/dev/null | sort -V | tail -n 1; }

# The package's service would take the usual port of a machine that only wants to run tests.
broker_install() {
  if [ -n "${TESTER_WORKER_TEST_BROKER_IMAGE:-}" ]; then docker_up; "$repo/scripts/base-images"; return 0; fi
  if [ -n "$(broker_sbin)" ]; then return 0; fi
  local policy=/usr/sbin/policy-rc.d
  if [ "$(id -u)" -eq 0 ] && [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    at_exit "rm -f $policy"
    packages rabbitmq-server
    rm -f "$policy"
  else
    packages rabbitmq-server
  fi
}

# broker_start: starts the node and exports TESTER_WORKER_TEST_AMQP_URL (of its administrator) and
# TESTER_WORKER_TEST_RABBITMQCTL (a command that talks to it).
broker_start() {
  local port distribution epmd
  if [ -n "${TESTER_WORKER_TEST_BROKER_IMAGE:-}" ]; then broker_container; return; fi
  broker_home=$scratch/broker
  mkdir -p "$broker_home"
  epmd=$(free_port "$((20000 + RANDOM % 3000))")
  port=$(free_port "$((23000 + RANDOM % 3000))")
  distribution=$(free_port "$((26000 + RANDOM % 3000))")
  printf '[].\n' >"$broker_home/enabled_plugins"
  cat >"$broker_home/rabbitmq.conf" <<EOF
listeners.tcp.1 = 127.0.0.1:$port
log.console = false
log.file.level = info
EOF
  cat >"$broker_home/env" <<EOF
export HOME='$broker_home' ERL_EPMD_PORT=$epmd ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_NODENAME=tester-$port@localhost RABBITMQ_NODE_PORT=$port RABBITMQ_DIST_PORT=$distribution
export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE='$broker_home/rabbitmq.conf'
export RABBITMQ_ENABLED_PLUGINS_FILE='$broker_home/enabled_plugins' RABBITMQ_PID_FILE='$broker_home/pid'
export RABBITMQ_MNESIA_BASE='$broker_home/data' RABBITMQ_LOG_BASE='$broker_home/log'
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
EOF
  printf '#!/bin/bash\n. %q\nexec %q "$@"\n' "$broker_home/env" "$(broker_sbin)/rabbitmqctl" >"$broker_home/rabbitmqctl"
  chmod +x "$broker_home/rabbitmqctl"

  say "Starting a private RabbitMQ on port $port"
  at_exit broker_stop
  # A name server of our own, so that none is left running by the node.
  (. "$broker_home/env" && exec epmd) >/dev/null 2>&1 &
  broker_epmd=$!
  (. "$broker_home/env" && exec "$(broker_sbin)/rabbitmq-server") >"$broker_home/output" 2>&1 </dev/null &
  broker_server=$!
  wait_until 120 broker_answers "$port" || true
  if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    tail -n 20 "$broker_home/output" >&2
    die 'the private RabbitMQ did not start' 'its last lines are above'
  fi
  export TESTER_WORKER_TEST_AMQP_URL="amqp://guest:guest@127.0.0.1:$port/%2f"
  export TESTER_WORKER_TEST_RABBITMQCTL="$broker_home/rabbitmqctl"
}
broker_answers() { (: <"/dev/tcp/127.0.0.1/$1") || gone "$broker_server"; }

# The same as a container, on the machine's own network so that nothing else differs.
broker_container() {
  local port distribution epmd
  broker_home=$scratch/broker-container
  mkdir -p "$broker_home"
  epmd=$(free_port "$((20000 + RANDOM % 3000))")
  port=$(free_port "$((23000 + RANDOM % 3000))")
  distribution=$(free_port "$((26000 + RANDOM % 3000))")
  say "Starting a private RabbitMQ of the image $TESTER_WORKER_TEST_BROKER_IMAGE on port $port"
  at_exit broker_stop
  broker_name=tester-broker-$port
  docker run -d --name "$broker_name" --network host \
    -e "RABBITMQ_NODENAME=tester-$port@localhost" -e RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 -e "RABBITMQ_NODE_PORT=$port" \
    -e "RABBITMQ_DIST_PORT=$distribution" -e "ERL_EPMD_PORT=$epmd" -e ERL_EPMD_ADDRESS=127.0.0.1 \
    -e 'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}' \
    "$TESTER_WORKER_TEST_BROKER_IMAGE" >/dev/null
  if ! wait_until 120 broker_container_ready; then
    docker logs "$broker_name" 2>&1 | tail -n 20 >&2
    die 'the private RabbitMQ did not start' 'its last lines are above'
  fi
  printf '#!/bin/bash\nexec docker exec -u rabbitmq %q rabbitmqctl "$@"\n' "$broker_name" >"$broker_home/rabbitmqctl"
  chmod +x "$broker_home/rabbitmqctl"
  export TESTER_WORKER_TEST_AMQP_URL="amqp://guest:guest@127.0.0.1:$port/%2f"
  export TESTER_WORKER_TEST_RABBITMQCTL="$broker_home/rabbitmqctl"
}
broker_container_ready() { docker exec -u rabbitmq "$broker_name" rabbitmq-diagnostics -q check_port_connectivity; }

broker_stop() {
  local server
  if [ -n "${broker_name:-}" ]; then
    docker rm -fv "$broker_name" >/dev/null 2>&1 || true
    broker_name=
  fi
  server=$(cat "$broker_home/pid" 2>/dev/null || echo "${broker_server:-}")
  if [ -n "$server" ] && kill "$server" 2>/dev/null; then
    wait_until 30 gone "$server" || kill -9 "$server" 2>/dev/null || true
  fi
  # It forks nothing; it is ours alone.
  if [ -n "${broker_epmd:-}" ]; then kill "$broker_epmd" 2>/dev/null || true; fi
  broker_server='' broker_epmd=''
}

# broker_leftovers: what tests must not leave in the node: connections, virtual hosts, and queues and exchanges other than
# the lasting ones of docs/protocol.md, which any worker declares and none removes.
broker_leftovers() {
  local vhost
  broker_list list_connections name state | sed 's/^/connection /'
  broker_list list_vhosts name | while read -r vhost; do
    if [ "$vhost" != / ]; then echo "virtual host $vhost"; fi
    broker_list -p "$vhost" list_queues name | sed -nE '/^(tester\.(jobs\..*|dead|unrouted)|results\..*)$/!s/^/queue /p'
    broker_list -p "$vhost" list_exchanges name | sed -nE '/^(|amq\..*|tester\.(jobs|dead|unrouted|control))$/!s/^/exchange /p'
  done
}
broker_list() { "$TESTER_WORKER_TEST_RABBITMQCTL" -q --no-table-headers "$@" </dev/null; }
