# What the host is and has.

facts() {
    (
        [ ! -r /etc/os-release ] || . /etc/os-release
        echo "os ${ID:-unknown} ${VERSION_ID:-}"
    )
    echo "arch $(uname -m)"
    systemctl --version | { read -r _ version _ && echo "systemd $version"; }
    read -r _ _ version < "$1/version" && echo "podman $version"
    echo "cgroups $(stat -f -c %T /sys/fs/cgroup)"
    echo "boot $(cat /proc/sys/kernel/random/boot_id)"
    echo "uptime $(now)"
    for file in "$1"/account.*; do
        [ ! -e "$file" ] || echo "account ${file##*/account.} $(cat "$file")"
    done
    echo "clock $(date +%s)"
    for program in podman systemctl systemd-run tar find xargs; do
        command -v "$program" > /dev/null || echo "lacks $program"
    done
    for path in /var/lib/containers /var/lib /etc; do
        [ ! -d "$path" ] || df -P -k "$path" | { read -r _ && read -r _ _ _ free _ && echo "disk $path $free"; }
    done
}

# What is asked of units.
shown=Id,LoadState,ActiveState,SubState,Result,NRestarts,ActiveEnterTimestampMonotonic,NeedDaemonReload

# Tells everything. $1 the paths to look at and $2 the units, a line each, beside those that a generation of ours has.
probe() {
    temporary=$(mktemp -d) || die "no folder for temporary files"
    trap 'rm -rf "$temporary"' EXIT
    podman --version > "$temporary/version" 2>/dev/null &
    podman images --no-trunc --format '{{range .RepoDigests}}{{.}} {{end}}' > "$temporary/images" 2>/dev/null &
    podman secret ls --format '{{.Name}}' > "$temporary/secrets" 2>/dev/null &
    podman ps --all --format '{{.Names}} {{.State}} {{.Status}}' > "$temporary/containers" 2>/dev/null &
    podman volume ls --format '{{.Name}}' > "$temporary/volumes" 2>/dev/null &
    here=$(current)
    {
        printf '%s' "$1"
        files_of "$here" 2>/dev/null | cut -d ' ' -f 5-
        [ "$here" = 0 ] || sed "s,^,$var/files/," "$etc/generations/$here/contents" 2>/dev/null
    } | sort -u > "$temporary/paths"
    {
        printf '%s' "$2"
        [ "$here" = 0 ] || cat "$etc/generations/$here/units" 2>/dev/null
    } | sort -u > "$temporary/all"
    grep -v '^~' "$temporary/all" > "$temporary/units"
    for account in $(accounts < "$temporary/all"); do probe_account "$account" & done
    put_of stat sh -c 'tr "\n" "\0" < "$1" | xargs -0 -r stat -c "%a %u %g %f %n"' sh "$temporary/paths"
    put_of sums sh -c 'tr "\n" "\0" < "$1" | xargs -0 -r sha256sum' sh "$temporary/paths"
    if [ -s "$temporary/units" ]; then
        put_of units sh -c 'tr "\n" "\0" < "$1" | xargs -0 systemctl show --property="$2" --' \
            sh "$temporary/units" "$shown"
    fi
    for name in estate hosts current intent undoing undone; do
        [ ! -e "$etc/$name" ] || put_of "$name" cat "$etc/$name"
    done
    if [ -e "$etc/intent" ]; then
        read -r _ _ _ _ base < "$etc/intent"
        put_of before cat "$etc/generations/${base:-0}/manifest.json"
    fi
    [ "$here" = 0 ] || put_of manifest cat "$etc/generations/$here/manifest.json"
    [ ! -e "$run/lease" ] || put_of lease cat "$run/lease"
    put_of tasks sh -c 'cd "$1" 2>/dev/null && for name in *; do [ ! -f "$name" ] || { printf "%s " "$name"; cat "$name"; }; done' \
        sh "$var/tasks"
    wait
    put_of facts facts "$temporary"
    put_of made sh -c 'cd "$1" 2>/dev/null && find . -type f | cut -c 3-' sh "$var/volumes"
    for name in units images secrets containers volumes; do
        for file in "$temporary/$name" "$temporary/$name".*; do
            [ ! -e "$file" ] || [ "$file" = "$temporary/units" ] || put_of "$name" cat "$file"
        done
    done
}

# Looks what an account has. One whose manager does not run has nothing that is up.
probe_account() {
    id -u "$1" > "$temporary/account.$1" 2>/dev/null || {
        rm -f "$temporary/account.$1"
        return 0
    }
    if is_awake "$1"; then
        as "$1" podman images --no-trunc --format "{{range .RepoDigests}}~$1/{{.}} {{end}}" > "$temporary/images.$1" 2>/dev/null
        as "$1" podman volume ls --format "~$1/{{.Name}}" > "$temporary/volumes.$1" 2>/dev/null
        as "$1" podman secret ls --format "~$1/{{.Name}}" > "$temporary/secrets.$1" 2>/dev/null
        as "$1" podman ps --all --format "~$1/{{.Names}} {{.State}} {{.Status}}" > "$temporary/containers.$1" 2>/dev/null
        as "$1" systemctl --user show --property="$shown" -- $(sed -n "s,^~$1/,,p" "$temporary/all") 2>/dev/null \
            | sed "s,^Id=,Id=~$1/," > "$temporary/units.$1"
    else
        sed -n "s,^\(~$1/.*\),Id=\1\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n,p" "$temporary/all" \
            > "$temporary/units.$1"
    fi
}

# Shows files. $1 their paths, a line each, $2 how many bytes one may have.
show() {
    printf '%s' "$1" | while IFS= read -r path; do
        [ -f "$path" ] || continue
        put path "$path"
        size=$(stat -c %s "$path")
        if [ "$size" -gt "$2" ]; then
            put large "$size"
        elif [ "$(tr -d '\000' < "$path" | wc -c)" = "$size" ]; then
            put_of file cat "$path"
        else
            put binary "$size"
        fi
    done
}

# Tells how much volumes hold. $1 their names, a line each.
sizes() {
    printf '%s' "$1" | while IFS= read -r name; do
        whose "$name"
        folder=$(as "$account" podman volume inspect --format '{{.Mountpoint}}' "$object" 2>/dev/null) || continue
        kib=$(timeout 10 du -s -k "$folder" 2>/dev/null) || continue
        put volume "${kib%%[!0-9]*} $name"
    done
}

# Shows what is left of each generation: its number, its result and its manifest.
generations() {
    for folder in "$etc"/generations/*/; do
        [ -f "$folder/manifest.json" ] || continue
        number=${folder%/}
        put generation "${number##*/}"
        put_of result cat "$folder/result"
        put_of manifest cat "$folder/manifest.json"
    done
}
