#!/bin/sh
# Fetches a released fleetc for this machine, and installs it only when its checksum holds.
#
#   install.sh VERSION [FOLDER]
#
# FLEETC_REPOSITORY  OWNER/NAME on GitHub; needed unless FLEETC_RELEASES says where
# FLEETC_RELEASES    where the files of the release are [default: https://github.com/$FLEETC_REPOSITORY/releases/download/vVERSION]
# FLEETC_SHA256      the checksum that the archive must have: pins it, whatever the release says. Without it SHA256SUMS of the release decides,
#                    which protects against broken downloads only
# FLEETC_ATTESTED    `true`: gh must find that this repository's release workflow made the archive
#
# Nothing is left in FOLDER (default: /usr/local/bin) when anything fails.
set -eu

version=${1:?usage: install.sh VERSION [FOLDER]}
version=${version#v}
folder=${2:-/usr/local/bin}
fail() { echo "install.sh: $*" >&2; exit 1; }

case $version in
  *[!0-9A-Za-z.+-]*) fail "\`$version\` is no version" ;;
esac
[ "$(uname -s)" = Linux ] || fail "there are programs for Linux only; elsewhere: cargo install --locked --path ."
case $(uname -m) in
  x86_64 | amd64) target=x86_64-unknown-linux-musl ;;
  aarch64 | arm64) target=aarch64-unknown-linux-musl ;;
  *) fail "there is no program for $(uname -m)" ;;
esac
if [ -z "${FLEETC_RELEASES:-}" ]; then
  FLEETC_RELEASES="https://github.com/${FLEETC_REPOSITORY:?say OWNER/NAME of the repository on GitHub}/releases/download/v$version"
fi

archive=fleetc-$target.tar.gz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
get() { curl -fsSL --retry 3 --proto-redir =https -o "$work/$1" "$FLEETC_RELEASES/$1" || fail "$FLEETC_RELEASES/$1 cannot be had"; }

get "$archive"
if [ -n "${FLEETC_SHA256:-}" ]; then
  sum=$FLEETC_SHA256
else
  get SHA256SUMS
  sum=$(awk -v name="$archive" '$2 == name || $2 == "*" name { print $1 }' "$work/SHA256SUMS")
fi
[ "${#sum}" -eq 64 ] || fail "no checksum is known for $archive"
echo "$sum  $work/$archive" | sha256sum -c - > /dev/null 2>&1 || fail "$archive is not what its checksum says: nothing was installed"
if [ "${FLEETC_ATTESTED:-}" = true ]; then
  gh attestation verify "$work/$archive" --repo "${FLEETC_REPOSITORY:?}" --signer-workflow "$FLEETC_REPOSITORY/.github/workflows/release.yml" \
    > /dev/null || fail "$archive was not made by the release workflow of $FLEETC_REPOSITORY: nothing was installed"
fi

tar -xzf "$work/$archive" -C "$work" fleetc
mkdir -p "$folder"
# Beside the old one first: a program that is running cannot be written over, and there is never half of one.
cp "$work/fleetc" "$folder/.fleetc.new"
chmod 755 "$folder/.fleetc.new"
mv -f "$folder/.fleetc.new" "$folder/fleetc"
"$folder/fleetc" --version
