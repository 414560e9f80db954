# Alerts and a dashboard for who watches a site; doc/operations.md, "Watch it".

monitoringdir = $(pkgdatadir)/monitoring
dist_monitoring_DATA = contrib/monitoring/provbox.rules.yml \
	contrib/monitoring/provbox-dashboard.json

EXTRA_DIST += contrib/monitoring/provbox.rules.test.yml contrib/monitoring/dashboard
