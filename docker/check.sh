#!/bin/sh
# Build the CPU image with buildah and run a recipe on sample data in it, as its own user:
#   docker/check.sh
#   PYTHON_IMAGE=localhost/python:3.11 docker/check.sh        from another base
#   BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs docker/check.sh        if containers cannot be nested
#   BUILD_OPTIONS='--volume /etc/ssl/certs:/etc/ssl/certs:ro' docker/check.sh       behind a proxy with its own CA
set -eu
clone=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
buildah=${BUILDAH:-buildah}
revision=$(git -C "$clone" rev-parse HEAD)
scratch=$(mktemp -d)
container=
clean() {
    [ -z "$container" ] || "$buildah" rm "$container" >/dev/null
    rm -rf "$scratch"
}
trap clean EXIT

# shellcheck disable=SC2086  # BUILD_OPTIONS holds several words
"$buildah" build --layers --format docker --file "$clone/docker/Dockerfile" --ignorefile "$clone/.dockerignore" \
    --target cpu --tag segline:check --build-arg "REVISION=$revision" \
    ${PYTHON_IMAGE:+--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"} ${BUILD_OPTIONS:-} "$clone"

container=$("$buildah" from --pull-never localhost/segline:check)
mkdir "$scratch/data" "$scratch/work"
cp "$clone/tests/tiny.yaml" "$scratch/data"
chmod 777 "$scratch/data" "$scratch/work"
segline() {
    "$buildah" run --volume "$scratch/data:/data" --volume "$scratch/work:/work" "$container" -- \
        /opt/venv/bin/python -P -m pipeline "$@"
}
segline doctor
segline sample camvid --out /data/camvid --count 14 --seed 3
segline run /data/tiny.yaml --set data.manual_dir=/data/camvid
segline run /data/tiny.yaml --set data.manual_dir=/data/camvid | grep -c reused
"$buildah" run --user 54321:54321 "$container" -- env -u HOME /opt/venv/bin/python -P -m pipeline recipes
grep -q "git $revision" "$scratch"/work/runs/*/code.txt
test -f "$scratch/work/serving/tiny/1/saved_model.pb"
echo "built, run and served as tiny/1"
