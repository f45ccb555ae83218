#!/bin/sh
# Makes the context of release/Dockerfile of the packed programs and the certificates of public authorities of this machine.
#
#   context.sh DIST CONTEXT            DIST has fleetc-<target>.tar.gz, CONTEXT is made
set -eu

usage='usage: context.sh DIST CONTEXT'
dist=${1:?$usage}
context=${2:?$usage}
certificates=${CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}

mkdir -p "$context/root/etc/ssl/certs" "$context/root/tmp" "$context/root/work" "$context/home"
chmod 1777 "$context/root/tmp"
cp "$certificates" "$context/root/etc/ssl/certs/ca-certificates.crt"
for pair in amd64=x86_64-unknown-linux-musl arm64=aarch64-unknown-linux-musl; do
  mkdir -p "$context/${pair%%=*}"
  tar -xzf "$dist/fleetc-${pair#*=}.tar.gz" -C "$context/${pair%%=*}" fleetc
done
