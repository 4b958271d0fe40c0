#!/bin/bash
# Takes the test cluster of this checkout down and undoes all that it did to the machine. Keeps what
# was built, Debian's packages, and the logs.
set -uo pipefail
here=$(dirname "$0")
. "$here/parts/settings.sh"
. "$here/parts/processes.sh"
. "$here/parts/machine.sh"

if given_cluster; then
  echo "KUBECONFIG names a cluster that cluster-up did not make: nothing to take down."
  exit
fi
if [ ! -d "$state" ]; then
  echo "No test cluster on this machine."
  exit
fi
need_root "make cluster-down"
lock
if [ -d "$(owner)" ] && [ "$(owner)" != "$root" ]; then
  fail "The test cluster on this machine is another checkout's: make -C $(owner) cluster-down"
fi
step "stopping the cluster"
rm -rf "$logs/pods"
stop_processes
[ ! -d "$state/pod-logs" ] || mv "$state/pod-logs" "$logs/pods"
step "undoing mounts, network, kernel settings"
undo_everything
rm -rf "$kubeconfig" "$KUBECACHEDIR" "${home:?}/bin"
step "down; logs: $logs"
