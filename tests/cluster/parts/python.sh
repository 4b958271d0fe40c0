# How the stand-in for python:3.11-slim is made (sourced; a file of its own, as its image and all
# that is built on it are made anew when this changes).
# shellcheck shell=bash

make_python() { # FOLDER: Debian's own Python 3.11, with as little around it as Debian can do with
  # shellcheck disable=SC2016  # mmdebstrap's shell expands it
  mmdebstrap --variant=minbase --quiet \
    --include=ca-certificates,python3,python3-pip,python3-venv,python-is-python3 \
    --dpkgopt='path-exclude=/usr/share/{doc,man,locale,info}/*' \
    --customize-hook='rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED "$1"/etc/resolv.conf "$1"/etc/hostname' \
    bookworm "$1/root.tar"
}
