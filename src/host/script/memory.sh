# Which hosts have something of the estate.

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
