# What wharf does on a host. It comes with each phase on standard input; /etc/wharf/host.sh is a copy, for the moments at
# which no operator is there: a boot, and a confirmation that does not come.
#
# /etc/wharf/current            the generation whose files are live; no file where there is none
# /etc/wharf/generations/N/     files: SHA MODE UID GID PATH of each; do, undo: what is done; manifest.json; result;
#                               at: how much of `do` is done; ended: how it ended
# /etc/wharf/blobs/SHA          the bytes of those files
# /etc/wharf/intent             FROM TO PLAN HOW BASE while a generation is not confirmed; HOW is auto or held, BASE was
#                               confirmed last
# /etc/wharf/undoing            the same while it is taken back
# /etc/wharf/undone             what was taken back last, until something is confirmed
# /etc/wharf/estate             whose host it is
# /etc/wharf/hosts              NAME PLAN WHEN of each host that had something of that estate, as far as this one was told
# /var/lib/wharf/files/         files by content, which containers mount
# /var/lib/wharf/volumes/       an empty file for each volume that units of ours have made
# /run/wharf/lease              who may change this host
set -u
held= failing=failed end= by=
umask 022
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
etc=/etc/wharf var=/var/lib/wharf run=/run/wharf
newline='
'

# A frame: $1 its name, $2 its text.
put() { printf '%s %s\n%s' "$1" "${#2}" "$2"; }

# A frame of what a program says: $1 its name.
put_of() {
    name=$1
    shift
    text=$("$@" 2>/dev/null; printf .)
    put "$name" "${text%.}"
}

event() { put event "$*"; }

# Ends with a word about why.
die() {
    echo "$*" >&2
    exit 1
}

now() {
    read -r up _ < /proc/uptime
    echo "${up%.*}"
}

# The first line of a file; nothing where there is none.
line_of() {
    [ -r "$1" ] || return 0
    read -r text < "$1" || :
    printf '%s\n' "$text"
}

current() {
    live=
    [ ! -r "$etc/current" ] || read -r live < "$etc/current"
    echo "${live:-0}"
}

# Writes standard input to the file $1, whole or not at all. What is a generation's is root's alone.
whole() {
    case $1 in
    "$etc/generations/"*) (umask 077 && cat > "$1.new") || return ;;
    *) cat > "$1.new" || return ;;
    esac
    sync "$1.new" && mv -T "$1.new" "$1"
}

files_of() { [ "$1" = 0 ] || cat "$etc/generations/$1/files"; }

# --- whose it is ----------------------------------------------------------------------------------------------------

# Units, images, secrets and containers of an ordinary account are called ~ACCOUNT/NAME; it has a manager and a podman of
# its own.

# Sets `account`, nothing for root's, and `object`. $1 what something is called.
whose() {
    case $1 in
    '~'*/*) account=${1#?} account=${account%%/*} object=${1#*/} ;;
    *) account= object=$1 ;;
    esac
}

# Runs a program as an account. $1 it, or nothing for root; then the words.
as() {
    [ -n "$1" ] || { shift && "$@" && return; return; }
    (
        uid=$(id -u "$1") && cd / || exit
        eval "home=~$1"
        as=$1
        shift
        # A program of podman's that stays keeps what it is given open.
        exec runuser -u "$as" -- env HOME="$home" XDG_RUNTIME_DIR="/run/user/$uid" \
            DBUS_SESSION_BUS_ADDRESS="unix:path=/run/user/$uid/bus" "$@"
    )
}

# Whether an account's manager runs.
is_awake() { [ -S "/run/user/$(id -u "$1")/systemd/private" ]; }

# Sees to it that it does. Units of accounts wait up to 90 seconds for a target that on some hosts nothing wants
# (podman-user-wait-network-online.service).
awake() {
    systemctl start --no-block network-online.target
    is_awake "$1" || systemctl start "user@$(id -u "$1").service"
}

# The accounts that a list of things names, a line each on standard input.
accounts() { sed -n 's,^~\([^/]*\)/.*,\1,p' | sort -u; }

# The accounts whose units generations have.
accounts_of() {
    for number; do
        [ ! -e "$etc/generations/$number/units" ] || cat "$etc/generations/$number/units"
    done | accounts
}

# Lets each manager do something with its units. $1 the words for systemctl before them, then the units. No longer than
# `limit` says, where it says something.
ctl() {
    words=$1 failure=0
    shift
    for manager in - $(printf '%s\n' "$@" | accounts); do
        mine=
        for each; do
            whose "$each"
            [ "${account:--}" != "$manager" ] || mine="$mine $object"
        done
        [ -n "$mine" ] || continue
        case $manager in
        -) ${limit:+timeout "$limit"} systemctl $words $mine || failure=$? ;;
        *) as "$manager" ${limit:+timeout "$limit"} systemctl --user $words $mine || failure=$? ;;
        esac
    done
    return "$failure"
}

# Lets targets of ours want the plain units that say so: systemd itself reads no [Install], podman's generator does for its
# own. Below /run, so that nothing is left over; a boot makes them again.
wants() {
    for scope in system user; do
        rm -rf "/run/systemd/$scope"/wharf-*.target.wants
        files_of "$(current)" | cut -d ' ' -f 5- | grep "^/etc/systemd/$scope/[^/]*$" | while IFS= read -r path; do
            for target in $(sed -n 's/^WantedBy=//p' "$path"); do
                case $target in
                wharf-*.target)
                    mkdir -p "/run/systemd/$scope/$target.wants"
                    ln -sfn "$path" "/run/systemd/$scope/$target.wants/${path##*/}"
                    ;;
                esac
            done
        done
    done
}

# Lets managers read their units again. $1 and $2 the generations whose units those are or were.
reread() {
    wants
    systemctl daemon-reload || return
    for account in $(accounts_of "$1" "$2"); do
        awake "$account" && as "$account" systemctl --user daemon-reload || return
    done
}

# --- what the host is -----------------------------------------------------------------------------------------------

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

# Tells what units wrote to the journal. $1 matches of journalctl, $2 since when, $3 how many lines, $4 `follow` or nothing. The
# matches are words.
logs() {
    set -f
    {
        if [ -z "$4" ]; then
            journalctl --no-pager --quiet --output=short-unix --lines="$3" ${2:+"--since=$2"} $1 2>&1
        else
            followed "$1" "$2" "$3"
        fi
    } | while IFS= read -r line; do
        # Where nobody listens any more, this ends.
        case $line in
        "$beat") put alive "" || exit ;;
        *) put line "$line" || exit ;;
        esac
    done
}

# A line that no journal has.
beat=$(printf '\001')

# The same, going on with what is written from now on, as long as somebody listens: the journal may be quiet for ever, so each
# second a line says that this is still there, and where it cannot be said, nobody listens.
followed() {
    journalctl --no-pager --quiet --output=short-unix --lines="$3" ${2:+"--since=$2"} --follow $1 2>&1 &
    trap '' PIPE
    while kill -0 "$!" 2>/dev/null && printf '%s\n' "$beat" 2>/dev/null; do sleep 1; done
    kill "$!" 2>/dev/null
    return 0
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

# --- what nobody is to see -------------------------------------------------------------------------------------------

# A frame: $1 its name, $2 its text, without the values of the secrets that generations of this host have: podman's names of
# them stand for them. What programs print may hold them, and whoever stops or goes back has opened no secrets.
put_clean() {
    clean=$2
    [ -z "$clean" ] || for hidden in $(cat "$etc/generations"/*/secrets 2>/dev/null | sort -u); do
        whose "$hidden"
        kept=$(as "$account" podman secret inspect --format '{{.ID}} {{index .Spec.Driver.Options "path"}}' "$object" 2>/dev/null) || continue
        # As podman keeps it: one that tells values (--showsecret) came with 4.7. Words of the shell alone, and of no program.
        value=$(sed -n "s/.*\"${kept%% *}\": *\"\([^\"]*\)\".*/\1/p" "${kept#* }/secretsdata.json" 2>/dev/null | base64 -d 2>/dev/null | tr -d '\000')
        hide "$value" 6
        case $value in *"$newline"*) hide_lines ;; esac
    done
    put "$1" "$clean"
}

# Takes a text out of `clean`; one of fewer letters than $2 is no secret, and would be found anywhere.
hide() {
    [ "${#1}" -ge "$2" ] || return 0
    rest_of=$clean clean=
    while :; do
        case $rest_of in
        *"$1"*) clean="$clean${rest_of%%"$1"*}<secret $object>" rest_of=${rest_of#*"$1"} ;;
        *) break ;;
        esac
    done
    clean=$clean$rest_of
}

# The same with the lines of a file: they themselves, what is behind the `=` or `:` of one whose name says that it is secret, and
# the password of a URL.
hide_lines() {
    lines_of=$value$newline
    while [ -n "$lines_of" ]; do
        one=${lines_of%%"$newline"*} lines_of=${lines_of#*"$newline"}
        # Without the blanks around it.
        one=${one#"${one%%[![:space:]]*}"} one=${one%"${one##*[![:space:]]}"}
        case $one in
        *://*:*@*)
            word=${one#*://} word=${word%%@*}
            hide "${word#*:}" 6
            ;;
        *[Pp]ass*[=:]* | *[Ss]ecret*[=:]* | *[Tt]oken*[=:]* | *[Kk]ey*[=:]* | *PASS*[=:]* | *SECRET*[=:]* | *TOKEN*[=:]* | *KEY*[=:]*)
            word=${one#*[=:]} word=${word#"${word%%[![:space:]\"\']*}"} word=${word%"${word##*[![:space:]\"\',]}"}
            hide "$word" 6
            ;;
        esac
        hide "$one" 16
    done
}

# --- who may change it ----------------------------------------------------------------------------------------------

# Takes the lease, or says who has it. $1 a token, $2 for how many seconds, $3 what it says: who, when, plan, why; $4 the token
# of somebody who is known to be gone.
lease_take() {
    mkdir -p "$run" && chmod 0700 "$run"
    mine="$run/lease.$1"
    printf 'token %s\nuntil %s\n%s' "$1" "$(($(now) + $2))" "$3" > "$mine" || die "no place for $mine"
    for try in 1 2 3; do
        if [ -e "$run/lease" ] && { lease_is "$1" || [ "$(lease_value until)" -le "$(now)" ] || { [ -n "$4" ] && lease_is "$4"; }; }; then
            mv -T "$mine" "$run/lease"
            break
        fi
        # Of two that come at once, one link is made.
        if ln -T "$mine" "$run/lease" 2>/dev/null; then
            rm -f "$mine"
            break
        fi
        sleep 0.1
    done
    rm -f "$mine"
    lease_is "$1" || put_of leased lease_says
}

# The lease, with how much longer it lasts.
lease_says() {
    cat "$run/lease" || return
    echo "left $(($(lease_value until) - $(now)))"
}

# What the lease says under a word; nothing where there is none.
lease_value() {
    [ -r "$run/lease" ] || return 0
    while IFS= read -r said || [ -n "$said" ]; do
        case $said in
        "$1 "*)
            printf '%s\n' "${said#* }"
            return
            ;;
        esac
    done < "$run/lease"
}

lease_is() { [ "$(lease_value token)" = "$1" ]; }

lost() {
    echo "$*" >&2
    exit 9
}

# Goes on for $2 seconds more under the lease of the token $1, which has to be ours; one that ended and that nobody else took
# is ours still.
lease_hold() {
    [ -e "$run/lease" ] || lost "the lease of this host is gone: somebody broke it, or the host booted anew"
    lease_is "$1" || lost "the lease of this host is not ours any more: $(lease_value who) took it at $(lease_value when) for plan $(lease_value plan)"
    held=$1
    sed "s/^until .*/until $(($(now) + $2))/" "$run/lease" > "$run/lease.$1" && mv -T "$run/lease.$1" "$run/lease"
}

# $1 the token; `any` breaks whoever has it.
lease_release() {
    [ -e "$run/lease" ] || return 0
    if [ "$1" = any ] || lease_is "$1"; then
        put_of released cat "$run/lease"
        rm -f "$run/lease"
    fi
}

# Remembers which hosts have something of the estate. $1 a line each: name, plan, when; $2 names of those that have nothing any
# more. What is said of no one stays.
remember() {
    [ -e "$etc/estate" ] || return 0
    said="$newline$(printf '%s' "$1" | cut -d ' ' -f 1)$newline$2"
    {
        printf '%s' "$1"
        [ ! -e "$etc/hosts" ] || while read -r name rest; do
            case $said in
            *"$newline$name$newline"*) ;;
            *) echo "$name $rest" ;;
            esac
        done < "$etc/hosts"
    } | sort | whole "$etc/hosts"
}

# --- what it gets ---------------------------------------------------------------------------------------------------

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

# --- the change -----------------------------------------------------------------------------------------------------

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

# Does what a list says. $1 the list, $2 from, $3 to, $4 a file that says how many of its lines are done already. The first that
# fails ends it, and is said.
perform() {
    line=0 end= by=
    skip=$([ -z "${4:-}" ] || line_of "$4")
    while read -r verb rest <&3; do
        line=$((line + 1))
        if [ "$verb" = deadline ]; then
            # Where it is gone on with, it begins anew.
            end=$(($(now) + ${rest% *})) by=$((end - ${rest#* }))
            continue
        fi
        [ "$line" -gt "${skip:-0}" ] || continue
        event "begin $verb $rest"
        failed=
        step "$2" "$3" 2> "$run/step.said" || failed=$?
        if [ -n "$failed" ]; then
            put_clean "$failing" "$(of_step): $(last "$run/step.said")"
            return 1
        fi
        [ -z "${4:-}" ] || echo "$line" | whole "$4"
        event "end $verb $rest"
    done 3< "$1"
}

# The line of a list in the variables verb and rest. $1 from, $2 to.
step() {
    case $verb in
    switch) switch "$1" "$2" "$etc/generations/$2/force" && reread "$1" "$2" ;;
    sysctl) /usr/lib/systemd/systemd-sysctl "$rest" ;;
    modules) /usr/lib/systemd/systemd-modules-load "$rest" ;;
    tmpfiles) systemd-tmpfiles --create "$rest" ;;
    stop) stop $rest ;;
    start | restart | reload) job "$verb" $rest ;;
    gate) gate $rest ;;
    # Their words are quoted.
    ready | exec) eval "$verb"_in "$rest" ;;
    task) task $rest ;;
    drop) drop $rest ;;
    *) echo "this host does not know \`$verb\`" >&2 && return 1 ;;
    esac
}

# The last lines of a file, as one.
last() { tail -n 4 "$1" | paste -s -d '|' | sed 's/|/; /g'; }

# It for a person: without the numbers. Words of programs may hold what `echo` changes.
of_step() {
    case $verb in
    start | restart | reload | ready) printf '%s\n' "$verb ${rest#* }" ;;
    gate) rest=${rest#* } && printf '%s\n' "health of ${rest#* }" ;;
    task) printf '%s\n' "task ${rest%% *}" ;;
    *) printf '%s\n' "$verb${rest:+ $rest}" ;;
    esac
}

# Ends units; what systemd does not know is ended.
stop() {
    known= limit=
    for unit; do [ "$(ctl "show --value --property=LoadState" "$unit")" = not-found ] || known="$known $unit"; done
    [ -n "$known" ] || return 0
    ctl stop $known || return
    # One whose process had to be killed has not failed: it was to end.
    ctl reset-failed $known 2>/dev/null || :
}

# For how many seconds something is waited for still: $1, and no longer than until $2, where that says something.
within() {
    left=$1
    if [ -n "$2" ]; then
        left=$(($2 - $(now)))
        [ "$left" -lt "$1" ] || left=$1
        [ "$left" -gt 1 ] || left=1
    fi
    echo "$left"
}

# Starts, restarts or reloads units and waits for the result; $2 for how many seconds. A process is never ended for being late.
job() {
    what=$1 limit=$(within "$2" "$by")
    shift 2
    [ "$what" != reload ] || set -- $(for unit; do ! ctl "--quiet is-active" "$unit" || echo "$unit"; done)
    [ $# -gt 0 ] || return 0
    ctl reset-failed "$@" 2>/dev/null
    ctl "$what" "$@"
    code=$?
    for unit; do
        state=$(ctl "show --value --property=ActiveState" "$unit")
        case $state in
        active) ;;
        *)
            echo "$unit is $state ($(systemctl show --value --property=Result "$unit"))" >&2
            journal "$unit"
            code=1
            ;;
        esac
    done
    return "$code"
}

# Takes podman's volume or network away, with what it holds. $1 which, $2 its name.
drop() {
    kind=$1
    whose "$2"
    if as "$account" podman "$kind" exists "$object"; then as "$account" podman "$kind" rm "$object" > /dev/null || return; fi
    [ "$kind" != volume ] || rm -f "$var/volumes/$2"
}

# The end of a unit's journal.
journal() {
    whose "$1"
    name=$1
    if [ -z "$account" ]; then
        set -- --unit "$object"
    else
        uid=_UID=$(id -u "$account")
        set -- "$uid" "_SYSTEMD_USER_UNIT=$object" + "$uid" "USER_UNIT=$object"
    fi
    put_clean journal "$name$newline$(journalctl --no-pager --quiet --lines=20 --output=cat "$@" 2>/dev/null)"
}

# Runs a program in a container, once. $1 its name, then the words. One that does not run has nothing to be told.
exec_in() {
    case $(health "$1") in gone) return 0 ;; esac
    whose "$1"
    shift
    said=$(as "$account" podman exec "$object" "$@" 2>&1 < /dev/null) || {
        code=$?
        put_clean journal "$object$newline$said"
        echo "it ended with $code" >&2
        return 1
    }
}

# The same until it ends well. $1 seconds, $2 the container, then the words.
ready_in() {
    until=$(($(now) + $(within "$1" "$end")))
    whose "$2"
    shift 2
    while :; do
        said=$(as "$account" podman exec "$object" "$@" 2>&1 < /dev/null) && return
        code=$?
        if [ "$(now)" -ge "$until" ]; then
            put_clean journal "$object$newline$said"
            echo "it ended with $code still when its time was over" >&2
            return 1
        fi
        sleep 1
    done
}

# Waits until containers are healthy, then whether they stay so. $1 seconds for the one, $2 for the other, then NAME.
gate() {
    until=$(($(now) + $(within "$1" "$by"))) stay=$2
    shift 2
    for name; do
        while :; do
            case $(health "$name") in
            healthy | running) break ;;
            esac
            if [ "$(now)" -ge "$until" ]; then
                event "unhealthy $name"
                echo "$name is $(health "$name") when its time is over" >&2
                journal "$name.service"
                return 1
            fi
            sleep 0.5
        done
    done
    until=$(($(now) + stay))
    while [ "$(now)" -lt "$until" ]; do
        sleep 1
        for name; do
            case $(health "$name") in
            healthy | running) ;;
            *)
                event "unhealthy $name"
                echo "$name did not stay healthy: it is $(health "$name")" >&2
                journal "$name.service"
                return 1
                ;;
            esac
        done
    done
}

# healthy, starting, unhealthy; running where there is no check; gone.
health() {
    whose "$1"
    found=$(as "$account" podman inspect --type container --format '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$object" 2>/dev/null) || found=gone
    case $found in
    "running " | "running <no value>") echo running ;;
    running\ *) echo "${found#running }" ;;
    *) echo gone ;;
    esac
}

# Runs a task's unit once. $1 the record's name, $2 what identifies it, $3 seconds, $4 idempotent or once, $5 its unit.
task() {
    record="$var/tasks/$1"
    if [ -e "$record" ]; then
        read -r state identity < "$record"
        if [ "$identity" = "$2" ]; then
            case $state in
            done) return 0 ;;
            running | elsewhere)
                if [ "$(ctl "show --value --property=ActiveState" "$5")" = activating ]; then
                    event "attach $5"
                elif [ "$4" != idempotent ]; then
                    event "unknown $5"
                    echo "nobody knows how it ended: the host went down while it ran. Look at its data and its journal; \`rm $record\` on the host lets it run again" >&2
                    return 1
                fi
                ;;
            esac
        fi
    fi
    mkdir -p "$var/tasks"
    echo "running $2" | whole "$record"
    ctl reset-failed "$5" 2>/dev/null
    limit=$3
    if ctl start "$5"; then
        echo "done $2" | whole "$record"
    else
        echo "failed $2" | whole "$record"
        journal "$5"
        return 1
    fi
}

# Records what becomes of tasks that another host runs for all of their group: due, elsewhere, done. $1 which, $2 lines of:
# record's name, what identifies it. What this host knows by itself of the same run stays, but for its end.
record() {
    mkdir -p "$var/tasks"
    printf '%s' "$2" | while read -r name identity; do
        state= was=
        [ ! -e "$var/tasks/$name" ] || read -r state was < "$var/tasks/$name"
        [ "$was" = "$identity" ] || state=
        case $1.$state in
        due.?* | elsewhere.running | elsewhere.failed | *.done) ;;
        *) echo "$1 $identity" | whole "$var/tasks/$name" ;;
        esac
    done
}

# Keeps what is needed where no operator is, and begins a generation. $1 its number, $2 the one before it, $3 the plan,
# $4 auto or held, $5 seconds until it is taken back, $6 this script.
activate() {
    finish
    base=$2
    if [ -e "$etc/intent" ]; then
        read -r from to plan how base < "$etc/intent"
        if [ "$to $plan" = "$1 $3" ]; then
            # The connection was lost in the middle.
            event "attach $1"
            follow wharf-activate.service "$run/activate.log"
            return
        fi
        is_active wharf-activate.service && die "the activation of generation $to of plan $plan is under way"
        [ "$how" = held ] || die "generation $to of plan $plan is not confirmed: the next apply settles it"
    fi
    [ ! -e "$etc/undoing" ] || die "a generation is being taken back: the next apply settles it"
    [ "$(current)" = "$2" ] || die "generation $(current) is live, not $2: somebody changed it since the plan was made"
    [ "$(line_of "$etc/generations/$1/plan")" = "$3" ] || die "generation $1 of plan $3 is not staged"
    printf '%s\n"$@"\n' "$6" | whole "$etc/host.sh" || die "no place for $etc/host.sh"
    settler
    sync -f "$etc"
    # One that is taken back where it was gone on from what nobody confirmed goes back to that.
    echo "$2 $1 $3 $4 $base" | whole "$etc/intent" || die "no place for $etc/intent"
    sync -f "$etc"
    systemctl stop wharf-undo.timer 2>/dev/null
    if [ "$4" = auto ]; then
        systemd-run --quiet --collect --unit=wharf-undo --on-active="$5" --timer-property=AccuracySec=1s \
            sh "$etc/host.sh" undo_late || {
            rm -f "$etc/intent"
            die "no timer for the way back"
        }
    fi
    go_on "$1" "$2"
}

is_active() { systemctl --quiet is-active "$1"; }

# Begins an activation, or goes on with one that was broken off, and follows it. $1 its number, $2 the one before it.
go_on() {
    rm -f "$etc/generations/$1/ended"
    : > "$run/activate.log"
    systemd-run --quiet --collect --unit=wharf-activate --property=StandardOutput="file:$run/activate.log" \
        --property=StandardError="file:$run/activate.said" sh "$etc/host.sh" work "$1" "$2" || die "the activation cannot be begun"
    follow wharf-activate.service "$run/activate.log"
}

# Tells what a unit says, from its beginning to its end. It goes on where nobody listens. $1 the unit, $2 its log.
follow() {
    pid=$(systemctl show --value --property=MainPID "$1")
    if [ "${pid:-0}" != 0 ]; then
        tail -c +1 -s 0.1 --pid="$pid" -f "$2"
    else
        cat "$2"
    fi
}

# The activation itself.
work() {
    if perform "$etc/generations/$1/do" "$2" "$1" "$etc/generations/$1/at"; then
        echo well | whole "$etc/generations/$1/ended"
        put activated "$1"
    else
        echo badly | whole "$etc/generations/$1/ended"
    fi
}

# Ends what was begun and nobody confirmed, on behalf of somebody who comes later: confirms what ended well, takes back what may
# be taken back. What may not be taken back and was broken off goes on where it was. $1 how many older generations are kept.
attend() {
    finish
    if [ -e "$etc/undoing" ]; then
        undo "the apply that came later took it back"
        return
    fi
    [ -e "$etc/intent" ] || return 0
    read -r from to _ how _ < "$etc/intent"
    if is_active wharf-activate.service; then
        event "attach $to"
        follow wharf-activate.service "$run/activate.log"
    elif [ "$how" = held ] && [ "$(current)" = "$to" ] && [ ! -e "$etc/generations/$to/ended" ]; then
        go_on "$to" "$from"
    fi
    if [ "$(line_of "$etc/generations/$to/ended")" = well ]; then
        confirm "$to" "$1"
    elif [ "$how" = auto ] || [ "$(current)" != "$to" ]; then
        undo "the apply that came later took it back"
    else
        put held "$to"
    fi
}

# What starts our units at boot: after what was begun is settled, and never before.
settler() {
    unit=/etc/systemd/system/wharf-settle.service
    if [ ! -e "$unit" ]; then
        whole "$unit" <<'END'
[Unit]
Description=Settles what wharf was in the middle of, then starts its units
After=local-fs.target
RequiresMountsFor=/var/lib/wharf /var/lib/containers

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/wharf/host.sh settle

[Install]
WantedBy=multi-user.target
END
        mkdir -p /etc/systemd/system/multi-user.target.wants
        ln -sf "$unit" /etc/systemd/system/multi-user.target.wants/wharf-settle.service
    fi
}

# At boot. A generation that nobody confirmed is taken back, unless it may not be.
settle() {
    mkdir -p "$run" && chmod 0700 "$run"
    finish
    if [ -e "$etc/intent" ]; then
        read -r from to plan how _ < "$etc/intent"
        if [ "$how" = auto ]; then
            mv -T "$etc/intent" "$etc/undoing"
        else
            echo "generation $to of plan $plan is not confirmed, and may not be taken back: it stays"
            switch "$from" "$to" "" || echo "not all files are those of generation $to"
            reread "$from" "$to"
        fi
    fi
    if [ -e "$etc/undoing" ]; then
        read -r from to plan _ < "$etc/undoing"
        echo "nobody confirmed generation $to of plan $plan before the host went down: going back to generation $from"
        if switch "$to" "$from" ""; then
            undone "the host booted before anybody confirmed it"
        else
            echo "not all files are those of generation $from"
        fi
        reread "$from" "$to"
    fi
    wants && systemctl daemon-reload
    for target in /etc/systemd/system/wharf-*.target; do
        [ ! -e "$target" ] || systemctl start --no-block "${target##*/}"
    done
    here=$(current) limit=
    for account in $(accounts_of "$here"); do awake "$account"; done
    set -- $(sed -n '/^~.*\.target$/p' "$etc/generations/$here/units" 2>/dev/null)
    [ $# -eq 0 ] || ctl "start --no-block" "$@"
}

result() { [ "$1" = 0 ] || echo "$2" | whole "$etc/generations/$1/result"; }

# A confirmation that the power went in the middle of.
finish() {
    [ -e "$etc/confirmed" ] || return 0
    read -r _ to _ < "$etc/confirmed"
    result "$to" confirmed
    rm -f "$etc/confirmed" "$etc/undone"
}

# Ends a way back: $1 why it was gone, $2 what is not well.
undone() {
    read -r from to plan _ base < "$etc/undoing"
    result "$to" "undone${2:-}"
    printf 'generation %s\nplan %s\nback %s\nwhen %s\nwhy %s\n' "$to" "$plan" "$from" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1${2:-}" | whole "$etc/undone"
    if [ "$from" != "${base:-$from}" ]; then
        # It was gone on from what nobody had confirmed.
        echo "$base $from $(line_of "$etc/generations/$from/plan") held $base" | whole "$etc/intent"
    fi
    sync -f "$etc"
    rm -f "$etc/undoing"
}

# Takes an unconfirmed generation back, or follows whoever does. $1 why.
undo() {
    systemctl stop wharf-undo.timer 2>/dev/null
    [ -e "$etc/intent" ] || [ -e "$etc/undoing" ] || return 0
    for unit in wharf-undo.service wharf-back.service; do
        is_active "$unit" || continue
        follow "$unit" "$run/undo.log"
        return
    done
    : > "$run/undo.log"
    # By itself: a connection that is lost does not halve it.
    systemd-run --quiet --collect --unit=wharf-back --property=StandardOutput="file:$run/undo.log" \
        --property=StandardError="file:$run/activate.said" sh "$etc/host.sh" undo_now "$1" || die "the way back cannot be begun"
    follow wharf-back.service "$run/undo.log"
}

# When the timer ends.
undo_late() {
    for file in "$etc/undoing" "$etc/intent"; do [ ! -e "$file" ] || break; done
    read -r from to plan _ 2>/dev/null < "$file" || return 0
    echo "nobody confirmed generation $to of plan $plan in time: going back to generation $from"
    undo_now "nobody confirmed it in time" > "$run/undo.log" || return 0
    if [ -e "$etc/undoing" ]; then
        echo "the way back did not end well:" "$(tail -n 3 "$run/undo.log")"
    else
        echo "generation $from is live again"
    fi
}

# The way back itself. $1 why.
undo_now() {
    # Of a confirmation and this, one moves the file.
    [ -e "$etc/undoing" ] || mv -T "$etc/intent" "$etc/undoing" 2>/dev/null || return 1
    sync -f "$etc"
    read -r from to _ < "$etc/undoing"
    systemctl stop wharf-activate.service 2>/dev/null
    failing=trouble
    : > "$run/undo"
    # Where its files were to come first and did not come, there is nothing to undo.
    if [ "$(current)" = "$to" ] || [ "$(head -n 1 "$etc/generations/$to/do")" != switch ]; then
        cat "$etc/generations/$to/undo" > "$run/undo"
    fi
    sed -n '/^switch/,$!p' "$run/undo" > "$run/undo.before"
    sed -n '/^switch/,$p' "$run/undo" | sed 1d > "$run/undo.after"
    [ "$(current)" != "$to" ] || perform "$run/undo.before" "$to" "$from"
    switch "$to" "$from" "" 2> "$run/step.said" || {
        put failed "the files of generation $from: $(last "$run/step.said")"
        return 0
    }
    reread "$from" "$to"
    bad=
    perform "$run/undo.after" "$to" "$from" || bad=", and not all is up"
    undone "$1" "$bad"
    put undone "$to"
    systemctl stop wharf-undo.timer 2>/dev/null
    return 0
}

# Leaves a generation that is not confirmed as it is, for a person to look at; what is not wholly there goes back.
hold() {
    systemctl stop wharf-undo.timer 2>/dev/null
    ! is_active wharf-undo.service || undo "nobody confirmed it in time"
    [ -e "$etc/intent" ] || return 0
    read -r from to plan _ base < "$etc/intent"
    if [ "$(current)" != "$to" ]; then
        undo "its files could not all be put in place"
        return
    fi
    echo "$from $to $plan held $base" | whole "$etc/intent"
    result "$to" held
    put held "$to"
}

# Runs a provider's program in its container, once. $1 the record's name, $2 what identifies it, $3 the container, then the
# program's words; a secret is on standard input.
grant() {
    record="$var/tasks/$1" identity=$2 container=$3
    shift 3
    [ "$(line_of "$record")" != "done $identity" ] || return 0
    whose "$container"
    said=$(as "$account" podman exec --interactive "$object" "$@" 2>&1) || {
        put_clean failed "$(printf '%s' "$said" | tail -n 5)"
        return 0
    }
    mkdir -p "$var/tasks"
    echo "done $identity" | whole "$record"
}

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
