# Servers as background processes, each with a file of its process id (sourced after settings.sh).
# shellcheck shell=bash

born() { # PID: when that process began, so that a reused id is not taken for ours; no zombie's
  awk '$3 != "Z" {print $22}' "/proc/$1/stat" 2>/dev/null
}

running() { # NAME
  local pid since
  read -r pid since 2>/dev/null <"$state/pids/$1" && [ -n "$since" ] && [ "$(born "$pid")" = "$since" ]
}

start() { # NAME COMMAND...: in a session of its own, unless it runs already
  local name=$1
  shift
  running "$name" && return
  # The process writes its own id before it becomes the server: at no moment is it unknown to us.
  # shellcheck disable=SC2016  # the inner shell expands these
  setsid bash -c 'read -ra stat <"/proc/$$/stat"; echo "$$ ${stat[21]}" >"$1"; exec "${@:2}"' \
    start "$state/pids/$name" "$@" >>"$logs/$name.log" 2>&1 </dev/null 3>&- 9<&- &
}

stop() { # NAME: asks, waits up to 3 s, then forces
  local pid
  if running "$1"; then
    read -r pid _ <"$state/pids/$1"
    kill "$pid" 2>/dev/null
    for _ in $(seq 30); do running "$1" && sleep 0.1; done
    running "$1" && kill -KILL "$pid" 2>/dev/null
  fi
  rm -f "$state/pids/$1"
}

any_running() {
  local file
  for file in "$state"/pids/*; do
    running "$(basename "$file")" && return
  done
  return 1
}

await() { # SECONDS WHAT COMMAND...: until the command succeeds
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || fail "gave up waiting for $what; logs: $logs"
    sleep 0.2
  done
}
