# What follows is the same for every program; the tables before it are made of what the
# program writes with --describe.
#
# Words are those of the line up to the cursor: bash itself would cut a device's URN at
# each colon.

# Whether an option is called $1; REPLY is then its argument, or empty.
_@NAME@_option()
{
	local row
	for row in "${_@NAME@_options[@]}"; do
		[[ $row == *"|$1|"* ]] || continue
		REPLY=${row##*|}
		return 0
	done
	REPLY=
	return 1
}

# Candidates that begin with $1: all other arguments.
_@NAME@_offer()
{
	local begun=$1 word
	shift
	for word; do
		[[ $word == "$begun"* ]] && COMPREPLY+=("$word")
	done
}

# Members $1 of the objects that provctl prints with the other arguments: a look at the
# database that gives up after a second.
_@NAME@_ask()
{
	local member=$1
	shift
	timeout 1 "$@" "${connection[@]}" --json 2>/dev/null |
		sed -n "s/^ *\"$member\": \"\{0,1\}\([A-Za-z0-9_-]*\)\"\{0,1\},\{0,1\}\$/\1/p"
}

# Candidates for an argument called $2 (as help calls it) of a command of noun $3, or of
# its option $4.
_@NAME@_argument()
{
	local begun=$1
	case $2 in
	*FILE* | *DIR* | *PATH* | *PROGRAM*)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$begun")
		;;
	LEVEL) _@NAME@_offer "$begun" error warn info debug ;;
	OUTCOME) _@NAME@_offer "$begun" prevent limited register ;;
	ANSWER) _@NAME@_offer "$begun" accept decline stop start ;;
	CODE) _@NAME@_offer "$begun" $(_@NAME@_ask code "$program" reason) ;;
	KEY) _@NAME@_offer "$begun" $(_@NAME@_ask key "$program" setting list) ;;
	ID)
		[[ ${4:-} == --request ]] && set -- "$1" "$2" request
		_@NAME@_offer "$begun" $(_@NAME@_ask id "$program" "$3" list --limit 50)
		;;
	esac
}

_@NAME@()
{
	local line=${COMP_LINE:0:COMP_POINT} program word row previous='' rest
	local command='' arguments='' REPLY
	local -a words connection=() said=() names=()

	COMPREPLY=()
	if row=$(xargs printf '%s\n' <<<"$line" 2>/dev/null); then
		mapfile -t words <<<"$row"
	else # a quote is open
		read -ra words <<<"$line"
	fi
	program=${words[0]}
	word=
	[[ $line == *[[:space:]] ]] || { word=${words[-1]}; unset 'words[-1]'; }

	# What was said before the cursor: options with their arguments, and words.
	for row in "${words[@]:1}"; do
		if [[ -n $previous ]]; then
			[[ $previous == -c ]] && connection+=(-c "$row")
			[[ $previous == --config || $previous == --dsn ]] &&
				connection+=("$previous" "$row")
			previous=
		elif [[ $row == -* && $row != *=* ]]; then
			_@NAME@_option "$row" && [[ -n $REPLY ]] && previous=$row
		elif [[ $row != -* ]]; then
			said+=("$row")
		fi
	done
	for row in "${_@NAME@_commands[@]}"; do
		read -ra names <<<"${row%%|*}"
		[[ "${said[*]:0:${#names[@]}}" == "${row%%|*}" ]] || continue
		command=${row%%|*}
		arguments=${row#*|}
		said=("${said[@]:${#names[@]}}")
		break
	done

	if [[ -n $previous ]]; then
		_@NAME@_option "$previous"
		_@NAME@_argument "$word" "$REPLY" "${command%% *}" "$previous"
	elif [[ $word == -* ]]; then
		for row in "${_@NAME@_options[@]}"; do
			rest=${row#*|}
			[[ $rest == --* && ( -z ${row%%|*} || ${row%%|*} == "$command" ) ]] &&
				_@NAME@_offer "$word" "${rest%%|*}"
		done
	elif [[ -z $command ]]; then
		for row in "${_@NAME@_commands[@]}"; do
			read -ra names <<<"${row%%|*}"
			[[ "${names[*]:0:${#said[@]}}" == "${said[*]}" ]] || continue
			row=${names[${#said[@]}]}
			[[ " ${COMPREPLY[*]} " == *" $row "* ]] || _@NAME@_offer "$word" "$row"
		done
	else
		read -ra names <<<"$arguments"
		rest=${names[${#said[@]}]:-}
		rest=${rest//[][]/}
		_@NAME@_argument "$word" "$rest" "${command%% *}"
	fi
}

complete -F _@NAME@ @PROGRAM@
