"""What flow tests stand on: real processes, a database, certificates, peers."""
