# Programs and unit tests of gateway/.
