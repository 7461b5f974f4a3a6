# What units wrote to the journal.

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
