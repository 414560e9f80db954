# Programs and unit tests of provisioning/.
