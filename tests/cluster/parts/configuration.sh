# Writes the cluster's keys, kubeconfigs and configuration files (sourced after settings.sh).
# shellcheck shell=bash

put() { # FILE: leaves it alone when nothing changed, since kube-proxy stops when its own is written
  local new
  new=$(cat && echo .)
  if [ ! -e "$1" ] || [ "$new" != "$(cat "$1" && echo .)" ]; then
    printf %s "${new%.}" >"$1"
  fi
}

self_signed() { # NAME SUBJECT OPENSSL-OPTION...: keeps what is there; the .crt comes last
  [ -s "$pki/$1.crt" ] && return
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "$2" \
    -keyout "$pki/new.key" -out "$pki/new.crt" "${@:3}" 2>>"$logs/openssl.log"
  mv "$pki/new.key" "$pki/$1.key"
  mv "$pki/new.crt" "$pki/$1.crt"
}

authority() { # NAME
  self_signed "$1" "/CN=$1" -addext keyUsage=critical,keyCertSign,digitalSignature
}

certificate() { # NAME SUBJECT [CA [SUBJECT-ALTERNATIVE-NAMES]]
  local options=(-CA "$pki/${3:-ca}.crt" -CAkey "$pki/${3:-ca}.key"
    -addext "extendedKeyUsage=clientAuth,serverAuth")
  [ -z "${4:-}" ] || options+=(-addext "subjectAltName=$4")
  self_signed "$1" "$2" "${options[@]}"
}

credentials() { # NAME: a kubeconfig with that certificate
  in_base64() { base64 -w0 "$pki/$1"; }
  cat <<YAML
apiVersion: v1
kind: Config
current-context: isogloss-test
clusters: [{name: isogloss-test, cluster: {server: "$api", certificate-authority-data: $(in_base64 ca.crt)}}]
contexts: [{name: isogloss-test, context: {cluster: isogloss-test, user: $1}}]
users: [{name: $1, user: {client-certificate-data: $(in_base64 "$1.crt"), client-key-data: $(in_base64 "$1.key")}}]
YAML
}

write_keys() {
  local name names
  umask 077
  mkdir -p "$pki"
  authority ca
  authority front-ca
  certificate front-proxy /CN=front-proxy front-ca
  names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
  names+=,DNS:kubernetes.default.svc.cluster.local,IP:$node_ip,IP:$api_ip
  certificate apiserver /CN=kube-apiserver ca "$names"
  certificate apiserver-to-kubelet /O=system:masters/CN=apiserver-to-kubelet
  certificate kubelet "/O=system:nodes/CN=system:node:$node" ca "DNS:$node,IP:$node_ip"
  certificate admin /O=system:masters/CN=admin
  if [ ! -s "$pki/accounts.key" ]; then
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$pki/new.key" 2>>"$logs/openssl.log"
    mv "$pki/new.key" "$pki/accounts.key"
  fi
  for name in kube-controller-manager kube-scheduler kube-proxy; do
    certificate $name "/CN=system:$name"
  done
  for name in kubelet kube-controller-manager kube-scheduler kube-proxy; do
    credentials $name | put "$state/$name.kubeconfig"
  done
  credentials admin | put "$kubeconfig"
  umask 022
}

write_configuration() {
  mkdir -p "$state/cni" "$state/registries/_default"
  # No registry can be reached: every pull fails at once instead of leaving the machine.
  echo 'server = "http://127.0.0.1:1"' | put "$state/registries/_default/hosts.toml"
  # Pods with dnsPolicy Default get no name server.
  echo '# none' | put "$state/resolv.conf"
  configure_containerd
  configure_pod_network
  configure_kubelet
  configure_proxy
}

configure_containerd() {
  put "$state/containerd.toml" <<TOML
version = 2
root = "$state/containerd"
state = "$state/containerd-run"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  netns_mounts_under_state_dir = true
  # The machine may lack CAP_SYS_RESOURCE: never ask for less than our own oom_score_adj.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "$state/runc"
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$state/registries"
TOML
}

configure_pod_network() {
  put "$state/cni/10-pods.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "$pod_bridge", "plugins": [
  {"type": "bridge", "bridge": "$pod_bridge", "isGateway": true, "hairpinMode": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$state/cni-addresses",
            "ranges": [[{"subnet": "$pod_cidr"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
}

configure_kubelet() {
  put "$state/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$socket
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
address: $node_ip
healthzBindAddress: $loopback
tlsCertFile: $pki/kubelet.crt
tlsPrivateKeyFile: $pki/kubelet.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
clusterDNS: [$dns_ip]
clusterDomain: cluster.local
resolvConf: $state/resolv.conf
podLogsDir: $state/pod-logs
volumePluginDir: $state/volume-plugins
maxPods: 250
registryPullQPS: 0
# Images cannot be fetched again, so none is ever collected and a full disk evicts nothing.
imageGCHighThresholdPercent: 100
evictionHard:
  memory.available: 100Mi
  nodefs.available: 0%
  nodefs.inodesFree: 0%
  imagefs.available: 0%
  imagefs.inodesFree: 0%
YAML
}

configure_proxy() {
  put "$state/kube-proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $state/kube-proxy.kubeconfig}
hostnameOverride: $node
mode: iptables
clusterCIDR: $pod_cidr
bindAddress: $node_ip
healthzBindAddress: $loopback:10256
metricsBindAddress: $loopback:10249
nodePortAddresses: [$node_ip/32]
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 0s, syncPeriod: 30s}
YAML
}
