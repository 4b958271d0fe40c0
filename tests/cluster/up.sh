#!/bin/bash
# Brings up the test cluster on this machine: up.sh [monitoring] [metrics]
# Run it again at any time: it finishes what is missing. With KUBECONFIG set to another cluster it
# changes nothing, and says what that cluster lacks.
set -euo pipefail
here=$(dirname "$0")
. "$here/parts/settings.sh"
. "$here/parts/processes.sh"
. "$here/parts/configuration.sh"
. "$here/parts/machine.sh"
. "$here/parts/build.sh"
. "$here/parts/addons.sh"

packages=(containerd runc containernetworking-plugins iptables nftables conntrack socat iproute2
  openssl procps util-linux)
servers=(containerd etcd kube-apiserver kubelet kube-proxy kube-controller-manager kube-scheduler
  cloud policies)

main() {
  local part
  for part in "$@"; do
    case $part in
      monitoring | metrics) ;;
      *) fail "cluster-up knows no part $part; it knows: monitoring, metrics" ;;
    esac
  done
  if given_cluster; then
    exec "${PYTHON:-python3}" "$cluster/check.py"
  fi
  need_root "make cluster-up"
  make_folders
  trap explain EXIT
  trap 'exit 130' INT
  lock
  need_packages "${packages[@]}"
  claim_machine
  build_all "$@"
  link_programs
  start_servers
  install_addons "$@"
  check_servers
  step "ready: export KUBECONFIG=$kubeconfig"
}

explain() { # on every way out
  local status=$?
  [ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:-}" "$root/.isogloss"
  [ $status != 0 ] || return 0
  case $doing in building*) tail -n 5 "$logs/build.log" >&3 ;; esac
  fail "cluster-up stopped while: $doing. Logs: $logs. Run it again to go on, or make cluster-down to undo it."
}

link_programs() {
  ln -sfn "$kubernetes/hyperkube" "$home/bin/hyperkube"
  ln -sfn "$kubernetes/hyperkube" "$home/bin/kubectl"
  ln -sfn "$wheels/helm" "$home/bin/helm"
}

start_servers() {
  step "keys, configuration, network"
  write_keys
  write_configuration
  prepare_machine
  export KUBECONFIG=$kubeconfig
  step "container runtime, data store, API server"
  start containerd containerd --config "$state/containerd.toml"
  start_etcd
  start_api_server
  await 30 containerd ctr version
  step "images"
  import_images
  await 120 kube-apiserver kubectl get --raw /readyz
  step "kubelet, proxy, controllers, scheduler, cloud, policies"
  start_node
  start_controllers
}

start_etcd() {
  local clients=http://$loopback:2379 peers=http://$loopback:2380
  start etcd hyperkube etcd --name $node --data-dir "$state/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls $clients --advertise-client-urls $clients \
    --listen-peer-urls $peers --initial-advertise-peer-urls $peers --initial-cluster $node=$peers
}

start_api_server() {
  start kube-apiserver hyperkube kube-apiserver \
    --etcd-servers http://$loopback:2379 --bind-address $node_ip --advertise-address $node_ip \
    --service-cluster-ip-range $service_cidr --allow-privileged \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --client-ca-file "$pki/ca.crt" \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-signing-key-file "$pki/accounts.key" \
    --service-account-key-file "$pki/accounts.key" \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --kubelet-client-certificate "$pki/apiserver-to-kubelet.crt" \
    --kubelet-client-key "$pki/apiserver-to-kubelet.key" \
    --proxy-client-cert-file "$pki/front-proxy.crt" \
    --proxy-client-key-file "$pki/front-proxy.key" \
    --requestheader-client-ca-file "$pki/front-ca.crt" \
    --requestheader-allowed-names front-proxy \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra-
}

start_node() {
  start kubelet hyperkube kubelet --config "$state/kubelet.yaml" \
    --kubeconfig "$state/kubelet.kubeconfig" --hostname-override $node --node-ip $node_ip \
    --root-dir "$state/kubelet" --cert-dir "$pki"
  start kube-proxy hyperkube kube-proxy --config "$state/kube-proxy.yaml"
  start cloud hyperkube cloud --kubeconfig "$kubeconfig" --node $node \
    --addresses $balancer_cidr --volumes "$state/volumes"
  start policies hyperkube policies --kubeconfig "$kubeconfig"
}

start_controllers() {
  local name common
  for name in kube-controller-manager kube-scheduler; do
    common=(--kubeconfig "$state/$name.kubeconfig"
      --authentication-kubeconfig "$state/$name.kubeconfig"
      --authorization-kubeconfig "$state/$name.kubeconfig"
      --bind-address "$loopback" --leader-elect=false)
    case $name in
      kube-scheduler) start $name hyperkube $name "${common[@]}" ;;
      *)
        start $name hyperkube $name "${common[@]}" --use-service-account-credentials \
          --service-account-private-key-file "$pki/accounts.key" --root-ca-file "$pki/ca.crt" \
          --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
          --flex-volume-plugin-dir "$state/volume-plugins" --horizontal-pod-autoscaler-sync-period 5s
        ;;
    esac
  done
}

install_addons() { # PART...
  local part
  step "node, storage, DNS"
  install_basics
  for part in gateway kserve "$@"; do
    step "$part"
    "install_$part"
  done
}

check_servers() {
  local name
  for name in "${servers[@]}"; do
    running "$name" || fail "$name has ended: $logs/$name.log"
  done
}

main "$@"
