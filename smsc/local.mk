# Programs and unit tests of smsc/.
