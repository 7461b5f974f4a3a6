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
