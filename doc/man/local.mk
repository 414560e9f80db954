# Manual pages: what people write of a program is in doc/man, and what it says of itself is
# filled in (page.awk). `make lint' has mandoc look at them.

manual_pages = man/provctl.1 man/handset.1 man/smscsim.1 \
	man/provctl.conf.5 man/provbox-gateway.conf.5 man/provbox-server.conf.5 \
	man/provbox-smsc.conf.5 man/handset.conf.5 \
	man/provbox-gateway.8 man/provbox-server.8 man/provbox-smsc.8
man_MANS = $(manual_pages)
CLEANFILES += $(manual_pages)

# $(MAKE_PAGE) PROGRAM
MAKE_PAGE = make_page() { \
	$(MKDIR_P) man && "$$1" --describe >$@.table && \
	$(AWK) -v dir=$(srcdir)/doc/man -v sysconfdir=$(sysconfdir)/provbox \
		-v datadir=$(pkgdatadir) -f $(srcdir)/doc/man/page.awk \
		$@.table $(srcdir)/doc/$@.in >$@.new && \
	rm $@.table && mv $@.new $@; }; make_page

page_parts = doc/man/page.awk doc/man/values.mdoc
daemon_parts = $(page_parts) doc/man/daemon.mdoc doc/man/daemon-status.mdoc \
	doc/man/daemon-log.mdoc

man/provctl.1: doc/man/provctl.1.in provctl/provctl$(EXEEXT) $(page_parts)
	$(AM_V_GEN)$(MAKE_PAGE) provctl/provctl$(EXEEXT)
man/provctl.conf.5: doc/man/provctl.conf.5.in provctl/provctl$(EXEEXT) $(page_parts)
	$(AM_V_GEN)$(MAKE_PAGE) provctl/provctl$(EXEEXT)
man/handset.1: doc/man/handset.1.in contrib/handset/handset$(EXEEXT) $(page_parts)
	$(AM_V_GEN)$(MAKE_PAGE) contrib/handset/handset$(EXEEXT)
man/handset.conf.5: doc/man/handset.conf.5.in contrib/handset/handset$(EXEEXT) $(page_parts)
	$(AM_V_GEN)$(MAKE_PAGE) contrib/handset/handset$(EXEEXT)
man/smscsim.1: doc/man/smscsim.1.in contrib/smscsim/smscsim$(EXEEXT) $(page_parts)
	$(AM_V_GEN)$(MAKE_PAGE) contrib/smscsim/smscsim$(EXEEXT)
man/provbox-gateway.8: doc/man/provbox-gateway.8.in provbox-gateway$(EXEEXT) $(daemon_parts)
	$(AM_V_GEN)$(MAKE_PAGE) ./provbox-gateway$(EXEEXT)
man/provbox-gateway.conf.5: doc/man/provbox-gateway.conf.5.in provbox-gateway$(EXEEXT) $(page_parts)
	$(AM_V_GEN)$(MAKE_PAGE) ./provbox-gateway$(EXEEXT)
man/provbox-server.8: doc/man/provbox-server.8.in provbox-server$(EXEEXT) $(daemon_parts)
	$(AM_V_GEN)$(MAKE_PAGE) ./provbox-server$(EXEEXT)
man/provbox-server.conf.5: doc/man/provbox-server.conf.5.in provbox-server$(EXEEXT) $(page_parts)
	$(AM_V_GEN)$(MAKE_PAGE) ./provbox-server$(EXEEXT)
man/provbox-smsc.8: doc/man/provbox-smsc.8.in provbox-smsc$(EXEEXT) $(daemon_parts)
	$(AM_V_GEN)$(MAKE_PAGE) ./provbox-smsc$(EXEEXT)
man/provbox-smsc.conf.5: doc/man/provbox-smsc.conf.5.in provbox-smsc$(EXEEXT) $(page_parts)
	$(AM_V_GEN)$(MAKE_PAGE) ./provbox-smsc$(EXEEXT)
