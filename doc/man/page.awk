# Fills a manual page: awk -f page.awk -v dir=FOLDER DESCRIPTION TEMPLATE
#
# DESCRIPTION is what a program writes with --describe (base/describe.h); TEMPLATE is mdoc,
# with these lines of its own:
#
#	@options@          the options that all commands take
#	@commands@         a subsection for each command: usage, help, options, example
#	@keys@             the keys at the top of the configuration
#	@keys NAME@        the keys of its blocks NAME
#	@include NAME@     FOLDER/NAME.mdoc, in which the same lines are filled
#
# and within lines @sysconfdir@ and the like, as -v VARIABLE=VALUE gives them.

BEGIN { FS = "\t" }

# ---- The description ----

FNR == 1 { file++ }
file == 1 && $1 == "command" { n_commands++; usage[n_commands] = $2; arguments[n_commands] = $3
	help[n_commands] = $4; example[n_commands] = $5 }
file == 1 && $1 == "option" { n_options++; of[n_options] = $2; letter[n_options] = $3
	option[n_options] = $4; value[n_options] = $5; does[n_options] = $6 }
file == 1 && $1 == "section" { about[$2] = $3; n_keys[$2] = 0 }
file == 1 && $1 == "key" { rows[$2, ++n_keys[$2]] = $0 }
file == 1 { next }

# ---- Text as mdoc ----

# One argument of a macro, whatever is in it.
function argument(text) {
	gsub(/\\/, "\\e", text)
	gsub(/"/, "\\(dq", text)
	return "\"" text "\""
}

# Running text: a sentence begins a line, and no line is long.
function say(text,    n, words, i, at, ends) {
	gsub(/\\/, "\\e", text)
	n = split(text, words, " ")
	at = 0
	for (i = 1; i <= n; i++) {
		ends = words[i - 1] ~ /[.:]$/ && words[i] ~ /^[A-Z]/
		if (at > 0 && (ends || at + length(words[i]) > 74)) {
			printf "\n"
			at = 0
		}
		if (at == 0 && words[i] ~ /^[.']/)
			printf "\\&"
		printf "%s%s", (at > 0 ? " " : ""), words[i]
		at += length(words[i]) + 1
	}
	printf "\n"
}

# A note from the tables, as a sentence.
function sentence(text) {
	if (text !~ /^[a-z]+_/)
		text = toupper(substr(text, 1, 1)) substr(text, 2)
	say(text (text ~ /[.]$/ ? "" : "."))
}

# ---- What is filled in ----

function item(i) {
	printf ".It "
	if (letter[i] != "")
		printf "Fl %s%s , ", letter[i], (value[i] == "" ? "" : " Ar " argument(value[i]))
	printf "Fl Fl %s%s\n", option[i], (value[i] == "" ? "" : " Ar " argument(value[i]))
	sentence(does[i])
}

function options(words,    i, n) {
	for (i = 1; i <= n_options; i++)
		if (of[i] == words) {
			if (n++ == 0)
				print ".Bl -tag -width Ds"
			item(i)
		}
	if (n > 0)
		print ".El"
}

# DEV [VERSION] as mdoc.
function places(text,    n, words, i, all) {
	n = split(text, words, " ")
	for (i = 1; i <= n; i++) {
		all = all (words[i] ~ /^\[/ ? " Op Ar " : " Ar ")
		gsub(/[][]/, "", words[i])
		all = all words[i]
	}
	return all
}

function commands(    i) {
	for (i = 1; i <= n_commands; i++) {
		print ".Ss " usage[i] places(arguments[i])
		sentence(help[i])
		options(usage[i])
		if (example[i] == "")
			continue
		print ".Pp"
		print ".Dl " argument(example[i])
	}
}

function key(row,    f, is_macro) {
	split(row, f, "\t")
	print ".It Ic " f[3] " No = Ar " argument(f[4])
	sentence(f[9])
	if (f[5] == "required")
		printf "Required"
	else if (f[5] == "optional")
		printf "Optional"
	else
		printf "The default is\n.Ql %s", argument(f[6])
	is_macro = f[5] == "default"
	if (f[7] f[8] == "")
		print (is_macro ? " ." : ".")
	else if (f[4] ~ /^(LIST|ADDRESSES)$/)
		print (is_macro ? " ;" : ";") (f[7] > 0 ? "\nat least " f[7] "," : "") \
			"\nat most " f[8] "."
	else
		print (is_macro ? " ," : ",") "\nfrom\n.Ql " f[7] "\nto\n.Ql " f[8] " ."
}

function keys(section,    i) {
	if (!(section in n_keys)) {
		print FILENAME ": no such section: " section >"/dev/stderr"
		exit 1
	}
	if (about[section] != "")
		sentence(about[section])
	print ".Bl -tag -width Ds"
	for (i = 1; i <= n_keys[section]; i++)
		key(rows[section, i])
	print ".El"
}

function fill(line,    name, path) {
	gsub(/@sysconfdir@/, sysconfdir, line)
	gsub(/@datadir@/, datadir, line)
	name = line
	gsub(/^@[a-z]+ ?|@$/, "", name)
	if (line == "@options@")
		options("")
	else if (line == "@commands@")
		commands()
	else if (line ~ /^@keys.*@$/)
		keys(name)
	else if (line ~ /^@include .*@$/) {
		path = dir "/" name ".mdoc"
		while ((getline line <path) > 0)
			fill(line)
		close(path)
	} else
		print line
}

{ fill($0) }
