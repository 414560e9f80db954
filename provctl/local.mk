# Programs and unit tests of provctl/.
