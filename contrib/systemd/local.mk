# What systemd is told of the daemons; where, says configure --with-systemdsystemunitdir.

systemd_units = contrib/systemd/provbox-gateway.service \
	contrib/systemd/provbox-server.service contrib/systemd/provbox-smsc.service

systemd_sockets = contrib/systemd/provbox-gateway.socket \
	contrib/systemd/provbox-server.socket

EXTRA_DIST += $(systemd_units:=.in) $(systemd_sockets:=.in) contrib/systemd/sysusers.conf \
	contrib/systemd/tmpfiles.conf
CLEANFILES += $(systemd_units) $(systemd_sockets)

# The brackets keep config.status from putting its own paths there.
make_unit = $(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|[@]sbindir[@]|$(sbindir)|g' \
	-e 's|[@]sysconfdir[@]|$(sysconfdir)|g' $< >$@.new && mv $@.new $@
.service.in.service:
	$(make_unit)
.socket.in.socket:
	$(make_unit)
$(systemd_units) $(systemd_sockets): Makefile
SUFFIXES = .service.in .service .socket.in .socket

if SYSTEMD
systemdsystemunit_DATA = $(systemd_units) $(systemd_sockets)

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
