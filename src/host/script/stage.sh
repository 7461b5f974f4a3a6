# What the host gets: images, and generations beside the live one.

# Pulls images. $1 references, a line each; $2 a registries.conf for this alone, where one is needed.
pull() {
    temporary=$(mktemp -d) || die "no folder for temporary files"
    trap 'rm -rf "$temporary"' EXIT
    if [ -n "$2" ]; then
        printf '%s' "$2" > "$temporary/registries.conf"
        CONTAINERS_REGISTRIES_CONF="$temporary/registries.conf"
        export CONTAINERS_REGISTRIES_CONF
    fi
    printf '%s' "$1" > "$temporary/wanted"
    # Other accounts read the one file that says where from.
    chmod 0755 "$temporary"
    for account in $(accounts < "$temporary/wanted"); do awake "$account" || die "the manager of $account does not start"; done
    while IFS= read -r reference; do
        whose "$reference"
        as "$account" podman image exists "$object" && continue
        lease_hold "$held" 300
        event "pull $reference"
        as "$account" podman pull --quiet "$object" > /dev/null 2> "$temporary/said" < /dev/null || {
            put failed "podman pull $reference: $(last "$temporary/said")"
            return 0
        }
        event "pulled $reference"
    done < "$temporary/wanted"
}

# Puts generations beside the live one; nothing that runs sees it. A tar of blobs/, files/, secrets/ and generations/ is on
# standard input.
stage() {
    mkdir -p "$etc/blobs" "$etc/generations" "$var/files" "$var/tasks" "$run"
    chmod 0700 "$run" "$etc/blobs"
    rm -rf "$run"/stage.*
    # What was staged before and never came to be.
    for folder in "$etc"/generations/*/; do
        number=${folder%/} number=${number##*/}
        case $number in *.new) rm -rf "$folder" ;; *[!0-9]*) ;; *) [ "$number" -le "$(current)" ] || rm -rf "$folder" ;; esac
    done
    temporary=$(mktemp -d "$run/stage.XXXXXX") || die "no folder for temporary files"
    trap 'rm -rf "$temporary"' EXIT
    tar -x -p --numeric-owner -f - -C "$temporary" || die "what was sent cannot be unpacked in $run"
    [ -e "$temporary/whole" ] || die "what was sent was cut off"
    lease_hold "$held" 120
    move "$temporary/blobs" "$etc/blobs"
    move "$temporary/files" "$var/files"
    for file in "$temporary/secrets"/* "$temporary/secrets"/~*/*; do
        [ -f "$file" ] || continue
        whose "${file#"$temporary/secrets/"}"
        [ -z "$account" ] || awake "$account" || die "the manager of $account does not start"
        there="$temporary/secrets.of.$account"
        [ -e "$there" ] || as "$account" podman secret ls --format '{{.Name}}' > "$there" 2>/dev/null
        grep -q -x -F -e "$object" "$there" \
            || cat "$file" | as "$account" podman secret create "$object" - > /dev/null || die "podman keeps no secret $object"
        rm -f "$file"
    done
    for folder in "$temporary"/generations/*; do
        [ -d "$folder" ] || continue
        number=${folder##*/}
        generators "$folder/files" "$temporary/try"
        rm -rf "$etc/generations/$number.new" "$etc/generations/$number"
        cp -rp "$folder" "$etc/generations/$number.new" || {
            rm -rf "$etc/generations/$number.new"
            die "no place for generation $number in $etc"
        }
        sync -f "$etc"
        mv -T "$etc/generations/$number.new" "$etc/generations/$number"
    done
    sync -f "$var"
}

# Moves the files of a folder into another, each whole or not at all: what has its name is on the disk.
move() {
    [ -d "$1" ] || return 0
    rm -rf "$2/.new"
    mkdir -m 0700 "$2/.new" && cp -rp "$1/." "$2/.new" || {
        rm -rf "$2/.new"
        die "no place for what was sent in $2"
    }
    sync -f "$2"
    find "$2/.new" -type f -exec mv -t "$2" {} + && rm -rf "$2/.new" || die "no place for what was sent in $2"
    sync -f "$2"
}

# Ends with what a generator said of a unit that it refuses.
refused() {
    printf '%s\n' "$said" | grep -v 'Loading source unit file' > "$2.said"
    die "$generator refuses a unit: $(last "$2.said")"
}

# Lets the host's own generator read the units of a generation that is not live. $1 its list, $2 a folder for it.
generators() {
    rm -rf "$2"
    mkdir -p "$2/quadlet" "$2/systemd"
    while read -r sha _ _ _ path; do
        [ -e "$etc/blobs/$sha" ] || die "the bytes of $path are not here"
        case $path in
        /etc/containers/systemd/users/*)
            mkdir -p "$2/users/$(basename "${path%/*}")"
            cp "$etc/blobs/$sha" "$2/users/${path#/etc/containers/systemd/users/}"
            ;;
        /etc/containers/systemd/*) cp "$etc/blobs/$sha" "$2/quadlet/${path##*/}" ;;
        /etc/systemd/system/*/*) ;;
        /etc/systemd/system/*) cp "$etc/blobs/$sha" "$2/systemd/${path##*/}" ;;
        esac
    done < "$1"
    for generator in /usr/libexec/podman/quadlet /usr/lib/podman/quadlet /usr/lib/systemd/system-generators/podman-system-generator; do
        [ -x "$generator" ] || continue
        said=$(QUADLET_UNIT_DIRS="$2/quadlet" "$generator" -dryrun 2>&1 > /dev/null) || refused "$1" "$2"
        for own in "$2/users"/*; do
            [ -d "$own" ] || continue
            said=$(QUADLET_UNIT_DIRS="$own" "$generator" -user -dryrun 2>&1 > /dev/null) || refused "$1" "$2"
        done
        break
    done
    rm -rf "$2"
}
