# What a cluster changes on its machine, and how each change is undone (sourced after processes.sh).
# Undoing starts from any state: of a cluster that was never finished, or whose processes were
# killed, by this checkout or by one that is gone.
# shellcheck shell=bash

owner() { cat "$state/owner" 2>/dev/null; }

claim_machine() { # refuses what cannot share a machine with us, clears what a dead cluster left
  if [ -z "$(owner)" ]; then
    refuse_conflicts
  elif [ "$(owner)" != "$root" ]; then
    [ ! -d "$(owner)" ] || ! any_running ||
      fail "The cluster of another checkout runs on this machine. Take it down first: make -C $(owner) cluster-down"
    step "clearing what the cluster of $(owner) left"
    (set +e +o pipefail && undo_everything) # goes on where nothing is left to undo
  fi
  mkdir -p "$state/pids" "$pki"
  echo "$root" >"$state/owner"
}

refuse_conflicts() {
  local address
  ! iptables -w -n -L KUBE-SERVICES >/dev/null 2>&1 && [ -z "$(pod_cgroups)" ] ||
    fail "Another Kubernetes runs on this machine. Stop it, or set KUBECONFIG to use it."
  for address in $node_ip $api_ip ${pod_cidr%/*} ${balancer_cidr%/*}; do
    ! ip -4 route show match "$address" | grep -qv '^default' ||
      fail "This machine has a route to $address, which the test cluster needs for itself. Set KUBECONFIG to a cluster that you have."
  done
  [ -d /proc/sys/net/bridge ] ||
    fail "The kernel's bridge filter is not loaded: modprobe br_netfilter"
}

prepare_machine() {
  local setting
  remember net/ipv4/ip_forward 1
  remember net/bridge/bridge-nf-call-iptables 1
  remember fs/inotify/max_user_instances 1024
  remember fs/inotify/max_user_watches 524288
  for setting in vm/overcommit_memory kernel/panic kernel/panic_on_oops; do # the kubelet sets these
    remember $setting "$(cat "/proc/sys/$setting")"
  done
  # The node's address, and a sink for service addresses that no rule catches: nothing leaves.
  ip link show "$node_bridge" >/dev/null 2>&1 || ip link add "$node_bridge" type bridge
  ip link set "$node_bridge" up
  ip address replace "$node_ip"/24 dev "$node_bridge"
  ip route replace "$service_cidr" dev "$node_bridge"
  ip route replace "$balancer_cidr" dev "$node_bridge"
  # One transaction, so that no interruption leaves half a chain.
  iptables-restore --wait --noflush <<RULES
*filter
:$firewall_chain -
-A $firewall_chain -s $pod_cidr ! -d $pod_cidr ! -o $node_bridge -j REJECT
-A $firewall_chain -s $pod_cidr -j ACCEPT
-A $firewall_chain -d $pod_cidr -j ACCEPT
COMMIT
RULES
  iptables -w -C FORWARD -j "$firewall_chain" 2>/dev/null || iptables -w -I FORWARD -j "$firewall_chain"
}

remember() { # KERNEL-SETTING VALUE: writes down the old value first
  grep -qs "^$1 " "$state/kernel-settings" ||
    echo "$1 $(cat "/proc/sys/$1")" >>"$state/kernel-settings"
  echo "$2" >"/proc/sys/$1"
}

undo_everything() { # what a folder's removal would hide is undone first; the owner's name goes last
  stop_processes
  undo_mounts
  undo_network
  undo_kernel_settings
  undo_system_folders
  find "$state" -mindepth 1 -maxdepth 1 ! -name owner -exec rm -rf {} +
  rm -rf "$state"
}

stop_processes() {
  local name
  for name in kubelet kube-scheduler kube-controller-manager cloud policies kube-proxy; do
    stop $name &
  done
  wait
  kill_all pods_processes
  for name in kube-apiserver containerd etcd; do
    stop $name &
  done
  wait
  kill_all shims
}

pods_processes() {
  local group
  for group in $(pod_cgroups); do
    find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null # some end meanwhile
  done | sort -un
}

pod_cgroups() { # of either version
  find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name kubepods
}

shims() { # containerd's, which outlive it; known by our socket
  pgrep -f "containerd-shim-runc-v2 .*-address $socket" || true
}

kill_all() { # LIST: a function that prints process ids
  local pids
  for _ in $(seq 50); do
    pids=$($1)
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086  # one word for each id
    kill -KILL $pids 2>/dev/null
    sleep 0.1
  done
  fail "These processes do not end: $pids"
}

undo_mounts() {
  our_mounts | xargs -r umount 2>/dev/null || true
  our_mounts | xargs -r umount --lazy
  [ -z "$(our_mounts)" ] || fail "Still mounted, so nothing was removed: $(our_mounts)"
}

our_mounts() { # the innermost first
  awk -v one="$state/" -v other="$cache/" \
    'index($2, one) == 1 || index($2, other) == 1 {print $2}' /proc/mounts | sort -r
}

undo_network() {
  local family bridge
  for family in iptables ip6tables; do
    if command -v $family >/dev/null; then
      # Rules of ours and kube-proxy's, jumps to them, and their chains; every other rule stays.
      $family-save 2>/dev/null | grep -Ev -- "^(:|-A )(KUBE-|$firewall_chain)|-j (KUBE-|$firewall_chain)" |
        $family-restore --wait
    fi
  done
  ! command -v nft >/dev/null || nft delete table ip "$policy_table" 2>/dev/null || true
  for bridge in $pod_bridge $node_bridge; do
    ! ip link show "$bridge" >/dev/null 2>&1 || ip link delete "$bridge"
  done
}

undo_kernel_settings() {
  local setting value
  [ -e "$state/kernel-settings" ] || return 0
  while read -r setting value; do
    echo "$value" >"/proc/sys/$setting"
  done <"$state/kernel-settings"
}

undo_system_folders() { # places that the kubelet, containerd and CNI do not let us choose
  local group
  for group in $(pod_cgroups); do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
  done
  find /var/log/containers -lname "$state/*" -delete 2>/dev/null
  grep -rlF "$state/" /var/lib/cni/results 2>/dev/null | xargs -r rm -f
  dead_sockets /run/containerd/s /var/lib/kubelet/device-plugins | xargs -r rm -f
  find /var/log/containers /var/lib/cni /var/lib/kubelet /run/containerd \
    -depth -type d -empty -delete 2>/dev/null
  return 0
}

dead_sockets() { # FOLDER...: those that nobody listens on
  local path
  find "$@" -type s 2>/dev/null | while read -r path; do
    grep -qF " $path" /proc/net/unix || echo "$path"
  done
}
