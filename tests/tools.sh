#!/usr/bin/env bash
# What the tests start beside Python: `make tools` installs it, on Debian, as root. `--check` says what is missing.
set -euo pipefail
# Program, and the Debian package that it is in. Of those with a star the program alone is taken: the package would start it.
tools=(etcd:etcd-server* keepalived:keepalived* node:nodejs cc:build-essential javac:default-jdk-headless systemd-analyze:systemd)

missing=()
for tool in "${tools[@]}"; do
    command -v "${tool%%:*}" >/dev/null || missing+=("$tool")
done
[ -x /usr/bin/python3 ] || missing+=(/usr/bin/python3:python3) # the units run with Debian's own
if [ ${#missing[@]} = 0 ]; then exit 0; fi

if [ "${1:-}" = --check ]; then
    echo "The tests need ${missing[*]%%:*}, which this machine does not have: make tools (Debian, root)" >&2
    exit 2
fi
apt-get update -qq
for tool in "${missing[@]}"; do
    package=${tool##*:}
    if [ "$package" = "${package%\*}" ]; then
        apt-get install -y -qq --no-install-recommends "$package"
        continue
    fi
    package=${package%\*}
    needs=$(apt-cache depends --important "$package" | awk '$1 == "Depends:" && $2 !~ /^</ { print $2 }')
    # shellcheck disable=SC2086 # one word for each package
    apt-get install -y -qq --no-install-recommends $needs
    unpacked=$(mktemp -d)
    (cd "$unpacked" && apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb .)
    install -m 755 "$unpacked"/usr/*bin/"${tool%%:*}" /usr/local/bin/
done
