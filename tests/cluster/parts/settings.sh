# Names, folders and addresses that every script agrees on, and how they speak (sourced, not run).
# shellcheck shell=bash disable=SC2034  # those who source it use what is set here

cluster=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(cd "$cluster/../.." && pwd)
# What a person looks at. Not more: tools that walk the checkout must not meet containers in it.
home=$root/.isogloss/cluster
logs=$home/logs
kubeconfig=$home/kubeconfig
# All else that lives while the cluster does; a fixed and short path, because there is one cluster
# a machine, whichever checkout started it, and because a socket's path has at most 107 bytes.
state=/var/lib/isogloss-cluster
pki=$state/pki
socket=$state/containerd.sock
# What is built once, for all checkouts.
cache=${ISOGLOSS_CLUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/isogloss/cluster}

node="node-1"
node_bridge=isogloss-node
pod_bridge=isogloss-pods
node_ip=10.10.0.1           # on our own bridge, so the machine's network does not matter
loopback=127.10.0.1         # nobody else's servers listen here
pod_cidr=10.244.0.0/16
service_cidr=10.96.0.0/16
balancer_cidr=10.97.0.0/24  # for Services of type LoadBalancer
api_ip=10.96.0.1
dns_ip=10.96.0.10
api=https://$node_ip:6443
pause_image=localhost/pause:1
firewall_chain=ISOGLOSS-CLUSTER
policy_table=isogloss-policies

export PATH=$home/bin:$PATH:/usr/local/go/bin:/usr/sbin:/sbin
export KUBECACHEDIR=$home/kubectl-cache

begin=$(date +%s%3N)
doing="starting"

step() { # TEXT: says what begins now, and how many seconds have passed
  doing=$*
  printf '%4d.%d s  %s\n' $((($(date +%s%3N) - begin) / 1000)) $((($(date +%s%3N) - begin) / 100 % 10)) "$*"
}

exec 3>&2 # what a person must see, also from where standard error goes to a log

fail() { # TEXT: what is wrong and what to do
  echo "$*" >&3
  exit 1
}

need_root() { # COMMAND: what to run as root
  [ "$(id -u)" = 0 ] || fail "$1 makes bridges, mounts and containers, so it needs root: sudo $1. Or set KUBECONFIG to a cluster that you have."
}

need_packages() { # DEBIAN-PACKAGE...: installs what is missing
  dpkg -s "$@" >/dev/null 2>&1 && return
  command -v apt-get >/dev/null || fail "These Debian packages are needed, and apt-get is not here to install them: $*"
  step "installing Debian packages: $*"
  exec 8<"$cache" # two of these scripts may want packages at once, and apt-get does not wait
  flock 8
  apt-get update -qq >>"$logs/apt.log" 2>&1 || fail "apt-get update failed: $logs/apt.log"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" \
    >>"$logs/apt.log" 2>&1 </dev/null || fail "apt-get could not install $*: $logs/apt.log"
  flock --unlock 8
}

make_folders() {
  [ -d "$root/.isogloss" ] || mkdir -m 700 "$root/.isogloss" # as the local platform makes it
  mkdir -p "$logs" "$home/bin" "$cache"
}

lock() { # no two of these scripts at once; waits, since the other one ends by itself
  exec 9</var/lib # a folder that is always there: a lock file would be left behind
  flock --nonblock 9 && return
  step "waiting for another cluster-up or cluster-down to end"
  flock 9
}

given_cluster() { # has the user named a cluster of their own?
  [ -n "${KUBECONFIG:-}" ] && [ "$(readlink -f "$KUBECONFIG")" != "$(readlink -f "$kubeconfig")" ]
}

ctr() { command ctr --address "$socket" --namespace k8s.io "$@"; }
