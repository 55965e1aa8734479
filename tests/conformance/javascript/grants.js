'use strict';

// Grants that are counted (PROTOCOL.md §4): the lease of the witness and the promise of the peer.

/** LEASE-4: from the sending, and as if the asker's clock were slow and the giver's fast. */
function countedUntil({ drift_ppm }, sent, length) {
  return sent + (length * (1_000_000n - drift_ppm)) / (1_000_000n + drift_ppm);
}

/** It was asked for in this run (LEASE-4). */
function asked(server, { run, sent }) {
  return run === server.run && sent <= server.now;
}

// A lapsed server has stepped down before it comes to any of these (ROLE-6).

function promised(server, message) {
  const k = server.knows;
  const { epoch, sent } = message;
  if (!k.active || epoch !== k.epoch) return;
  server.peerHeard = server.now;
  const until = countedUntil(server.constants, sent, server.constants.promise_ns);
  if (asked(server, message) && until > k.promise_until) server.do('count-promise', { epoch, sent, until });
}

/** The lease of its own epoch, if it is active; of the next one, if it is passive. */
function leased(server, message) {
  const k = server.knows;
  const { epoch, sent } = message;
  if (!asked(server, message) || epoch !== (k.active ? k.epoch : k.epoch + 1n)) return;
  const until = countedUntil(server.constants, sent, server.constants.lease_ns);
  const longer = epoch !== k.lease_epoch || until > k.lease_until;
  if (longer && until > server.now) server.do('count-lease', { epoch, sent, until });
}

function notLeased(server, { epoch, run, current, clause, reason }) {
  const k = server.knows;
  if (run !== server.run) return;
  if (current < k.epoch) server.refrain('LEASE-3', `the witness knows of no epoch above ${current}`); // §8.6
  else if (server.challenging && epoch === k.epoch + 1n) server.refrain(clause, reason);
}

module.exports = { leased, notLeased, promised };
