# The end of a change: confirmed, and what no kept generation names taken away.

# Makes a generation the one that stays. $1 its number, $2 how many older ones are kept.
confirm() {
    finish
    if [ -e "$etc/intent" ]; then
        read -r _ to _ < "$etc/intent"
        [ "$to" = "$1" ] || die "generation $to waits to be confirmed, not $1"
        sync -f "$etc"
        if mv -T "$etc/intent" "$etc/confirmed" 2>/dev/null; then
            sync -f "$etc"
            finish
            systemctl stop wharf-undo.timer 2>/dev/null
            collect "$2"
            put confirmed "$1"
            return 0
        fi
    fi
    # The answer to a first confirmation may have been lost.
    if [ "$(current)" = "$1" ] && [ "$(line_of "$etc/generations/$1/result")" = confirmed ]; then
        put confirmed "$1"
    else
        put undone "$1"
    fi
}

# Takes away what no kept generation names. $1 how many are kept beside the live one.
collect() {
    here=$(current)
    kept= left=$1
    for number in $(ls "$etc/generations" | grep -x '[0-9]*' | sort -n -r); do
        [ "$number" -ge "$here" ] || [ "$left" -gt 0 ] || continue
        [ "$number" -ge "$here" ] || left=$((left - 1))
        kept="$kept $number"
    done
    rm -f "$run/kept".*
    for list in files contents secrets images; do
        for number in $kept; do
            [ ! -e "$etc/generations/$number/$list" ] || cat "$etc/generations/$number/$list"
        done | sort -u > "$run/kept.$list"
    done
    for number in $(ls "$etc/generations" | grep -x '[0-9]*' | sort -n); do
        # Later ones are staged for what comes next.
        [ "$number" -lt "$here" ] || continue
        case " $kept " in *" $number "*) continue ;; esac
        for kind in secrets images; do
            [ -s "$etc/generations/$number/$kind" ] || continue
            sort -u "$etc/generations/$number/$kind" | comm -23 - "$run/kept.$kind" > "$run/kept.not"
            while IFS= read -r name; do
                whose "$name"
                if [ "$kind" = secrets ]; then as "$account" podman secret rm "$object"; else as "$account" podman rmi "$object"; fi \
                    > /dev/null 2>&1 < /dev/null
            done < "$run/kept.not"
        done
        rm -rf "$etc/generations/$number"
    done
    cut -d ' ' -f 1 "$run/kept.files" | sort -u > "$run/kept.blobs"
    unkept "$etc/blobs" "$run/kept.blobs"
    unkept "$var/files" "$run/kept.contents"
    rm -f "$run/kept".*
}

# Takes files away that a list does not name. $1 their folder, $2 the list, sorted.
unkept() {
    [ ! -d "$1" ] || ls "$1" | sort | comm -23 - "$2" | sed "s,^,$1/," | tr '\n' '\0' | xargs -0 -r rm -f
}
