#!/usr/bin/env bash
# Prints where a program is that make test-system needs, of the test cluster's own version and from
# its cache: program.sh promtool|helm. Needs no cluster, no root and no container.
set -euo pipefail
cd "$(dirname "$0")"
. parts/settings.sh
. parts/build.sh

make_promtool() { # FOLDER
  # With the tags of the cluster's Prometheus, so that what that one compiled serves here.
  go_build pins/prometheus "$1/promtool" "-s -w" github.com/prometheus/prometheus/cmd/promtool \
    -tags remove_all_sd,enable_kubernetes_sd
}

make_folders
exec 8<"$cache"
flock 8 # two at once would build into the same folder
case ${1:-} in
  promtool) build_once promtool pins/prometheus program.sh >&2 ;;
  helm) build_once wheels pins/wheels.txt >&2 ;;
  *) fail "program.sh knows promtool and helm, not '${1:-}'" ;;
esac
echo "$built/$1"
