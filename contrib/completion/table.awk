# Makes the tables of a completion of what a program writes with --describe
# (base/describe.h): awk -v name=NAME -f table.awk DESCRIPTION
#
#	NAME_commands    "device show|DEV" for each command
#	NAME_options     "device show|limit|N" for each of its options, "|json|" for those of
#	                 all; a letter is an option of its own, "|-c|FILE"

BEGIN { FS = "\t" }

function quoted(text) {
	gsub(/'/, "'\\''", text)
	return "'" text "'"
}

$1 == "command" { commands = commands "\t" quoted($2 "|" $3) "\n" }
$1 == "option" { options = options "\t" quoted($2 "|--" $4 "|" $5) "\n" }
$1 == "option" && $3 != "" { options = options "\t" quoted($2 "|-" $3 "|" $5) "\n" }

END {
	printf "_%s_commands=(\n%s)\n_%s_options=(\n%s)\n", name, commands, name, options
}
