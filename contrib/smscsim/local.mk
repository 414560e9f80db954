# Programs and unit tests of contrib/smscsim/.
