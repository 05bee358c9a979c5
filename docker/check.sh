#!/bin/bash
# Builds both images and runs them: the server with a read-only root, as its own user, seen from outside by its health
# check and by libiscsi's suite, and ended by SIGTERM. With a Docker engine that is the compose file; without one
# `docker-check` does it, where it is on the PATH (or named by $DOCKER_CHECK): a builder that needs no engine. It runs one
# image at a time, so each of the two meets the other from the machine outside. Where there is neither, nothing is run.
set -eu -o pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
builder=${DOCKER_CHECK:-docker-check}
target=iqn.2026-11.io.snaplun:conformance
suite=(node --import ./test/support/run-typescript.mjs test/conformance/libiscsi.ts)
passed=0 failed=0

# verdict NAME COMMAND...: counts one.
verdict() {
	local name=$1
	shift
	printf -- '-- %s: %s\n' "$name" "$*"
	if "$@"; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		printf -- '-- %s: FAILED\n' "$name"
	fi
}

with_engine() {
	local compose=(docker compose -f docker/compose.yaml) exit_code
	verdict suite "${compose[@]}" up --build --exit-code-from libiscsi
	"${compose[@]}" up --detach --wait target
	"${compose[@]}" stop target
	exit_code=$(docker inspect --format '{{.State.ExitCode}}' "$("${compose[@]}" ps --all --quiet target)")
	verdict sigterm test "$exit_code" = 0
	"${compose[@]}" down --volumes
}

# The server on loopback, at the port that its health check asks; the rest is the image's own. Its answer to SIGTERM is
# in what the builder prints.
server_image() {
	local entry log=$1
	entry=$(printf '"%s",' node /opt/snaplun/dist/src/main.js serve --portal 127.0.0.1:3260 --target $target --init disk0:256M)
	"$builder" . -f docker/Dockerfile --runner podman --wait 60 --entrypoint "[${entry%,}]" \
		--run-arg --read-only --run-arg --cap-drop=all --run-arg --security-opt=no-new-privileges \
		--probe "node docker/healthcheck.mjs && ${suite[*]} --url iscsi://127.0.0.1:3260/$target/0 --tests '^Read10'" |
		tee "$log"
	grep -q 'SIGTERM: exit 0 ' "$log"
}

# The suite's image against a server of this machine. Its exit status is the suite's.
suite_image() {
	local pool server status=0
	pool=$(mktemp -d)
	node dist/src/main.js serve --pool "$pool" --portal 127.0.0.1:3260 --target $target --init disk0:256M &
	server=$!
	"$builder" . -f docker/libiscsi.Dockerfile --timeout 900 -- --url "iscsi://127.0.0.1:3260/$target/0" || status=$?
	kill "$server"
	wait "$server" || true
	rm -rf "$pool"
	return $status
}

if docker info >/dev/null 2>&1; then
	with_engine
elif command -v "$builder" >/dev/null; then
	npm run --silent build
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	verdict server server_image "$log"
	verdict suite suite_image
else
	echo 'containers: neither a Docker engine nor docker-check is here; nothing was run'
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi
printf '%s passed, %s failed, 0 skipped\n' $passed $failed
[ $failed = 0 ]
