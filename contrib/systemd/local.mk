# What systemd is told of the daemons; where, says configure --with-systemdsystemunitdir.

systemd_units = contrib/systemd/provbox-gateway.service \
	contrib/systemd/provbox-server.service contrib/systemd/provbox-smsc.service

EXTRA_DIST += $(systemd_units:=.in) contrib/systemd/sysusers.conf \
	contrib/systemd/tmpfiles.conf
CLEANFILES += $(systemd_units)

.service.in.service:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed 's|@sbindir@|$(sbindir)|g' $< >$@.new && \
		mv $@.new $@
SUFFIXES = .service.in .service

if SYSTEMD
systemdsystemunit_DATA = $(systemd_units)

install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(prefix)/lib/sysusers.d' '$(DESTDIR)$(prefix)/lib/tmpfiles.d'
	$(INSTALL_DATA) $(srcdir)/contrib/systemd/sysusers.conf \
		'$(DESTDIR)$(prefix)/lib/sysusers.d/provbox.conf'
	$(INSTALL_DATA) $(srcdir)/contrib/systemd/tmpfiles.conf \
		'$(DESTDIR)$(prefix)/lib/tmpfiles.d/provbox.conf'

uninstall-local:
	rm -f '$(DESTDIR)$(prefix)/lib/sysusers.d/provbox.conf' \
		'$(DESTDIR)$(prefix)/lib/tmpfiles.d/provbox.conf'
endif
