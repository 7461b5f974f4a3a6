# The files of one generation in the place of those of another.

# Makes the files of one generation those of another. $1 from, $2 to, $3 a list of paths that are written in any case.
switch() {
    for number in "$1" "$2"; do
        [ "$number" = 0 ] || [ -f "$etc/generations/$number/files" ] || {
            echo "generation $number is not here" >&2
            return 1
        }
    done
    files_of "$1" | sort > "$run/from"
    files_of "$2" | sort > "$run/to"
    # What a power loss left of an earlier switch.
    cut -d ' ' -f 5- "$run/from" "$run/to" | sed 's/$/.wharf/' | tr '\n' '\0' | xargs -0 -r rm -f
    {
        comm -13 "$run/from" "$run/to"
        [ -z "$3" ] || [ ! -e "$3" ] || while IFS= read -r path; do
            while read -r sha mode uid gid other; do
                [ "$other" != "$path" ] || echo "$sha $mode $uid $gid $other"
            done < "$run/to"
        done < "$3"
    } | sort -u | while read -r sha mode uid gid path; do
        # What is as it shall be already takes no room.
        [ -f "$path" ] && [ "$(stat -c '%04a %u %g' "$path")" = "$mode $uid $gid" ] && [ "$(sha256sum < "$path")" = "$sha  -" ] ||
            echo "$sha $mode $uid $gid $path"
    done > "$run/write"
    # First all of them beside those that are live: where there is no room, nothing has changed.
    while read -r sha mode uid gid path; do
        folder=${path%/*}
        [ -d "$folder" ] || mkdir -p "$folder"
        install -m "$mode" -o "$uid" -g "$gid" -T "$etc/blobs/$sha" "$path.wharf" || {
            echo "$path cannot be written" >&2
            cut -d ' ' -f 5- "$run/write" | sed 's/$/.wharf/' | tr '\n' '\0' | xargs -0 -r rm -f
            return 1
        }
    done < "$run/write"
    sync -f "$etc"
    while read -r sha mode uid gid path; do
        mv -T "$path.wharf" "$path" || {
            echo "$path cannot be written" >&2
            return 1
        }
    done < "$run/write"
    cut -d ' ' -f 5- < "$run/from" | sort > "$run/from.paths"
    cut -d ' ' -f 5- < "$run/to" | sort > "$run/to.paths"
    comm -23 "$run/from.paths" "$run/to.paths" | while IFS= read -r path; do rm -f "$path"; done
    sync -f "$etc"
    if [ "$2" = 0 ]; then rm -f "$etc/current"; else echo "$2" | whole "$etc/current" || return 1; fi
    # A host that has nothing left is nobody's.
    if [ -s "$etc/generations/$2/estate" ]; then
        whole "$etc/estate" < "$etc/generations/$2/estate" || return 1
    else
        rm -f "$etc/estate" "$etc/hosts"
    fi
    if [ -s "$etc/generations/$2/volumes" ]; then
        mkdir -p "$var/volumes"
        while IFS= read -r name; do
            case $name in */*) mkdir -p "$var/volumes/${name%/*}" ;; esac
            : >> "$var/volumes/$name"
        done < "$etc/generations/$2/volumes"
    fi
    sync -f "$etc"
}
