# Programs and unit tests of provisioning/.

nobase_dist_pkgdata_DATA += \
	provisioning/sql/roles.sql \
	provisioning/sql/001_base.sql \
	provisioning/sql/002_reasons.sql \
	provisioning/sql/003_device.sql \
	provisioning/sql/004_catalogue.sql \
	provisioning/sql/005_request.sql \
	provisioning/sql/006_outbox.sql \
	provisioning/sql/007_notice.sql \
	provisioning/sql/008_offer.sql \
	provisioning/sql/009_device_api.sql \
	provisioning/sql/010_mo.sql \
	provisioning/sql/011_operator.sql \
	provisioning/sql/012_rights.sql
