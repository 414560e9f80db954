# What bash completes for each program, made of what the program says of itself. The file
# has the name of the program: that is how bash finds it.

completions = completion/provctl completion/provbox-gateway completion/provbox-server \
	completion/provbox-smsc completion/handset completion/smscsim

EXTRA_DIST += contrib/completion/table.awk contrib/completion/complete.bash
CLEANFILES += $(completions)

bashcompletiondir = $(datadir)/bash-completion/completions
nodist_bashcompletion_DATA = $(completions)

# $(MAKE_COMPLETION) PROGRAM
MAKE_COMPLETION = make_completion() { \
	name=$$(basename $@ | tr - _) && $(MKDIR_P) completion && \
	"$$1" --describe >$@.table && \
	{ $(AWK) -v name=$$name -f $(srcdir)/contrib/completion/table.awk $@.table && \
	sed "s|@NAME@|$$name|g; s|@PROGRAM@|$$(basename $@)|" \
		$(srcdir)/contrib/completion/complete.bash; } >$@.new && \
	rm $@.table && mv $@.new $@; }; make_completion

completion_parts = contrib/completion/table.awk contrib/completion/complete.bash

completion/provctl: provctl/provctl$(EXEEXT) $(completion_parts)
	$(AM_V_GEN)$(MAKE_COMPLETION) provctl/provctl$(EXEEXT)
completion/provbox-gateway: provbox-gateway$(EXEEXT) $(completion_parts)
	$(AM_V_GEN)$(MAKE_COMPLETION) ./provbox-gateway$(EXEEXT)
completion/provbox-server: provbox-server$(EXEEXT) $(completion_parts)
	$(AM_V_GEN)$(MAKE_COMPLETION) ./provbox-server$(EXEEXT)
completion/provbox-smsc: provbox-smsc$(EXEEXT) $(completion_parts)
	$(AM_V_GEN)$(MAKE_COMPLETION) ./provbox-smsc$(EXEEXT)
completion/handset: contrib/handset/handset$(EXEEXT) $(completion_parts)
	$(AM_V_GEN)$(MAKE_COMPLETION) contrib/handset/handset$(EXEEXT)
completion/smscsim: contrib/smscsim/smscsim$(EXEEXT) $(completion_parts)
	$(AM_V_GEN)$(MAKE_COMPLETION) contrib/smscsim/smscsim$(EXEEXT)
