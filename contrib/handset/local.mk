# Programs and unit tests of contrib/handset/.
