#!/bin/bash
# The steps of an image's builder stage, the same for every image. None of it reaches the image but
# what the Dockerfile copies: /opt/isogloss (interpreter's environment), /opt/members, /opt/sbom.
#   stage.sh tools [compiler]        uv and the members' build backend; a C compiler
#   stage.sh dependencies FILE...    what the files pin by hash, from wheels alone
#   stage.sh members FOLDER...       the workspace's own packages, built here
#   stage.sh sbom NAME               the list of all that is in the image
set -euo pipefail

here=$(dirname "$0")
tools=/opt/tools
environment=/opt/isogloss
members=/opt/members
# What the base image trusts, a company's own authority included.
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
export UV_NO_CACHE=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON=$environment/bin/python

tools() { # [compiler]
  cp /var/lib/dpkg/status "$here/base-packages" # before this stage adds its own
  [ "${1:-}" != compiler ] || compiler
  python -m venv $tools
  $tools/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes \
    --requirement "$here/requirements-setup.txt"
  python -m venv --without-pip $environment
}

compiler() { # a base image whose Python was built from source has its headers already
  local packages=(gcc libc6-dev) include
  include=$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [ -e "$include/Python.h" ] || packages+=(libpython3-dev)
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
}

dependencies() { # FILE...
  $tools/bin/uv pip install --quiet --require-hashes --only-binary :all: "${@/#/--requirement=}"
  rm $environment/.lock
}

members() { # FOLDER...
  local folder
  for folder in "$@"; do
    (cd "$folder" && $tools/bin/hatchling build --target wheel --directory /opt/wheels)
  done
  if compgen -G "/opt/wheels/isogloss_textmodels-*-any.whl" || compgen -G "/opt/wheels/isogloss_inference-*-any.whl"; then
    echo "this was built without what it has in C; the reason stands above" >&2
    exit 1
  fi
  $tools/bin/uv pip install --quiet --no-deps --no-index --prefix $members /opt/wheels/*.whl
  rm -f $members/.lock
}

sbom() { # NAME
  mkdir -p /opt/sbom
  $environment/bin/python "$here/sbom.py" "$1" "$here/base-packages" $environment $members \
    >/opt/sbom/isogloss.cdx.json
}

"$@"
