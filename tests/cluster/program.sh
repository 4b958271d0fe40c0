#!/usr/bin/env bash
# Prints where a program is that make test-system needs, made once into the test cluster's cache:
# program.sh promtool|helm|checkov|clients|mlcroissant|skaffold.json. Needs no cluster, no root, no container. Of
# postgresql it prints the folder of its programs; where Debian's package is missing, installing that
# needs root.
set -euo pipefail
cd "$(dirname "$0")"
. parts/settings.sh
. parts/build.sh

make_promtool() { # FOLDER
  # With the tags of the cluster's Prometheus, so that what that one compiled serves here.
  go_build pins/prometheus "$1/promtool" "-s -w" github.com/prometheus/prometheus/cmd/promtool \
    -tags remove_all_sd,enable_kubernetes_sd
}

make_checkov() { # FOLDER: an environment of its own, because it pins much that we use otherwise
  "${PYTHON:-python3}" -m venv "$1"
  "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
    --requirement "$root/tests/system/requirements-checkov.txt"
  printf '#!/bin/sh\nexec "$(dirname "$0")/bin/python" -m checkov.main "$@"\n' >"$1/checkov"
  chmod +x "$1/checkov"
}

make_clients() { # FOLDER: the clients of other servers, whose pins are not ours
  python_with clients "$1"
}

make_mlcroissant() { # FOLDER: beside it come types of pandas, which would change how ours is checked
  python_with mlcroissant "$1"
}

python_with() { # NAME FOLDER: a Python with what NAME's requirements pin
  "${PYTHON:-python3}" -m venv "$2"
  "$2/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
    --requirement "$root/tests/system/requirements-$1.txt"
  printf '#!/bin/sh\nexec "$(dirname "$0")/bin/python" "$@"\n' >"$2/$1"
  chmod +x "$2/$1"
}

make_skaffold.json() { # FOLDER: the schema of skaffold.yaml lies in skaffold's own module
  local schema=docs-v2/content/en/schemas/v4beta14.json module=github.com/GoogleContainerTools/skaffold/v2
  (cd "$cluster/pins/skaffold" && go mod download -json $module) |
    sed -nE 's/^\t"Dir": "(.*)",$/\1/p' | xargs -I DIR cp DIR/$schema "$1/skaffold.json"
}

postgresql() {
  type -P initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null ||
    need_packages postgresql >&2
  dirname "$(readlink -f "$(type -P initdb || printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)")"
}

make_folders
exec 8<"$cache"
flock 8 # two at once would build into the same folder
case ${1:-} in
  promtool) build_once promtool pins/prometheus program.sh >&2 ;;
  helm) build_once wheels pins/wheels.txt >&2 ;;
  checkov) build_once checkov ../system/requirements-checkov.txt program.sh >&2 ;;
  clients | mlcroissant) build_once "$1" "../system/requirements-$1.txt" program.sh >&2 ;;
  skaffold.json) build_once skaffold.json pins/skaffold program.sh >&2 ;;
  postgresql) postgresql && exit ;;
  *) fail "program.sh knows promtool, helm, checkov, clients, mlcroissant, skaffold.json, postgresql, not '${1:-}'" ;;
esac
echo "$built/$1"
