#!/usr/bin/env bash
# Prints where promtool is: that of the test cluster's Prometheus, built once into the same cache.
# It checks monitoring/ (make test-system) and needs no cluster, no root and no container.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=parts/settings.sh
source parts/settings.sh
# shellcheck source=parts/build.sh
source parts/build.sh

make_promtool() { # FOLDER
  # With the tags of the cluster's Prometheus, so that what that one compiled serves here.
  go_build pins/prometheus "$1/promtool" "-s -w" github.com/prometheus/prometheus/cmd/promtool \
    -tags remove_all_sd,enable_kubernetes_sd
}

make_folders
exec 8<"$cache"
flock 8 # two at once would build into the same folder
build_once promtool pins/prometheus promtool.sh >&2
echo "$built/promtool"
