"""The witness, of either kind: a service of our own, or a record in etcd."""
