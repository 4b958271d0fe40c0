# Installs into the cluster what runs as pods there (sourced after build.sh). Everything is applied
# by the server and waited for, so that a repeated or interrupted run ends the same.
# shellcheck shell=bash

import_images() { # what was built and is not in containerd yet
  local folder archive name
  mkdir -p "$state/imported"
  for folder in "$kubernetes" "$gateway" "$kserve" "$tools" "${monitoring:-}" "${metrics:-}"; do
    for archive in "${folder:-/nothing}"/*.tar; do
      name=$(basename "$archive")
      if [ -e "$archive" ] && [ "$(cat "$state/imported/$name" 2>/dev/null)" != "$archive" ]; then
        ctr images import "$archive" >>"$logs/images.log" 2>&1
        echo "$archive" >"$state/imported/$name"
      fi
    done
  done
}

apply() { # FILE-OPTION...
  kubectl apply --server-side --force-conflicts --field-manager=isogloss-test-cluster "$@" \
    >>"$logs/addons.log"
}

fill() { # FILE NAME=VALUE...: the file with its names in capitals filled in
  local pair commands=()
  for pair in "${@:2}"; do commands+=(-e "s#${pair%%=*}#${pair#*=}#"); done
  sed "${commands[@]}" "$1"
}

namespace() { kubectl create namespace "$1" --dry-run=client -o yaml | apply -f -; }

established() { # asks again, since a definition that has no status yet is an error to kubectl wait
  await 60 "custom resources" kubectl wait crd --all --for=condition=Established --timeout=10s
}

rolled_out() { # NAMESPACE DEPLOYMENT
  kubectl --namespace "$1" rollout status "deployment/$2" --timeout=3m >>"$logs/addons.log"
}

install_basics() {
  apply -f "$cluster/manifests/storage.yaml"
  fill "$cluster/manifests/dns.yaml" DNS_IP="$dns_ip" PAUSE_IMAGE="$pause_image" \
    HYPERKUBE="$kubernetes/hyperkube" | apply -f -
  await 60 "node $node" kubectl get node "$node"
  kubectl wait --for=condition=Ready node/"$node" --timeout=1m >>"$logs/addons.log"
  rolled_out kube-system coredns
}

install_metrics() {
  fill "$cluster/manifests/metrics.yaml" \
    METRICS_SERVER_IMAGE="localhost/metrics-server:$(pinned pins/metrics-server sigs.k8s.io/metrics-server)" |
    apply -f -
  rolled_out kube-system metrics-server
}

install_gateway() {
  apply -f "$gateway/api" -f "$gateway/chart/charts/crds/crds/generated"
  established
  namespace envoy-gateway
  # Applied, not installed by Helm: an interrupted Helm release refuses the next try.
  helm template envoy-gateway "$gateway/chart" --namespace envoy-gateway --skip-crds \
    --values "$cluster/manifests/gateway-values.yaml" | apply --namespace envoy-gateway -f -
  rolled_out envoy-gateway envoy-gateway
  fill "$cluster/manifests/gateway.yaml" ENVOY_IMAGE="localhost/envoy:v$(envoy_version)" | apply -f -
  kubectl wait --for=condition=Programmed --timeout=3m --namespace models gateway/models >>"$logs/addons.log"
}

install_kserve() {
  local work=$state/kserve
  rm -rf "$work"
  mkdir -p "$work"
  helm template kserve-crd "$kserve/crds" | apply -f -
  established
  namespace kserve
  serving_certificate
  helm template kserve "$kserve/chart" --namespace kserve \
    --values "$cluster/manifests/kserve-values.yaml" >"$work/rendered.yaml"
  fill "$cluster/manifests/kserve-kustomization.yaml" \
    CA_BUNDLE="$(base64 -w0 "$pki/kserve.crt")" >"$work/kustomization.yaml"
  kubectl kustomize "$work" | apply -f -
  rolled_out kserve kserve-controller-manager
}

serving_certificate() { # of KServe's webhooks
  local name=kserve-webhook-server-service.kserve.svc
  self_signed kserve "/CN=$name" -addext "subjectAltName=DNS:$name"
  kubectl create secret tls kserve-webhook-server-cert --namespace kserve --dry-run=client -o yaml \
    --cert "$pki/kserve.crt" --key "$pki/kserve.key" | apply -f -
}

install_monitoring() {
  local work=$state/monitoring version
  version=$(pinned pins/operator github.com/prometheus-operator/prometheus-operator)
  rm -rf "$work"
  mkdir -p "$work"
  apply -f "$monitoring/crds"
  established
  namespace monitoring
  cp "$monitoring"/rbac/prometheus-operator/*.yaml "$monitoring"/rbac/prometheus/*.yaml "$work"
  fill "$cluster/manifests/prometheus.yaml" PROMETHEUS_IMAGE="localhost/prometheus:$(prometheus_version)" \
    PROMETHEUS_VERSION="$(prometheus_version)" >"$work/prometheus.yaml"
  fill "$cluster/manifests/prometheus-kustomization.yaml" \
    OPERATOR_IMAGE="localhost/prometheus-operator:$version" \
    RELOADER_IMAGE="localhost/prometheus-config-reloader:$version" >"$work/kustomization.yaml"
  kubectl kustomize "$work" | apply -f -
  rolled_out monitoring prometheus-operator
  kubectl wait --for=condition=Available --timeout=3m --namespace monitoring prometheus/prometheus \
    >>"$logs/addons.log"
}
