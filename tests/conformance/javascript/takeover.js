'use strict';

// How a passive server takes over (PROTOCOL.md §8.2), and how its own takeover goes on after a cut (REJOIN-4).

const { lead } = require('./active.js');
const { applyNext } = require('./passive.js');

function begin(server) {
  server.challenging = false; // nothing but a lease is wanted to take over
  server.ordered = false; // an operator ordered the promotion
}

/** What stops this server from taking over, if something does. */
function obstacle({ seen, epoch, promoted, returned, peer_left, peer_released }, me) {
  if (seen > epoch) return ['ROLE-3', 'there is a newer epoch than that of the data'];
  if (promoted) return null;
  if (returned) return ['REJOIN-3', 'it was active, and has not been resynchronised since'];
  if (peer_left && epoch > 0n && peer_released !== epoch) return ['ROLE-4', 'the peer said goodbye'];
  if (epoch === 0n && me === 'secondary') return ['ROLE-3', 'the first epoch is the primary\'s to begin']; // §8.2
  return null;
}

/** ROLE-4 says which cause is true. */
function cause({ epoch, promoted, peer_released }, ordered) {
  if (promoted) return ordered ? 'operator' : 'resumed';
  if (epoch === 0n) return 'first';
  return peer_released === epoch ? 'release' : 'silence';
}

function proceed(server) {
  const k = server.knows;
  if (k.active) return;
  resume(server);
  // LEASE-1: its own promise has run out, or there is nobody who still counts on it.
  const free = k.given_until <= server.now;
  const reason = obstacle(k, server.constants.me);
  if (free && reason !== null) server.refrain(...reason);
  const challenging = reason === null && (free || k.holdsNextLease(server.now));
  if (challenging && !server.challenging) server.beatNow();
  server.challenging = challenging;
  if (challenging && free && k.holdsNextLease(server.now)) takeOver(server);
}

/** REJOIN-4: a server that began nothing goes on, after it has left a lease's length to whoever may succeed it. */
function resume(server) {
  const k = server.knows;
  if (!mayResume(k) || server.now < resumesAt(server) || k.given_until > server.now) return;
  server.ordered = false;
  server.do('promote', { epoch: k.epoch, kept: k.applied, last: k.logged, ordered: false });
}

function mayResume(k) {
  return !k.active && !k.promoted && k.returned && k.logged === k.applied && k.released < k.epoch && k.seen <= k.epoch;
}

function resumesAt({ passiveSince, constants }) {
  return passiveSince + constants.lease_ns;
}

function takeOver(server) {
  const k = server.knows;
  // One that was active has nothing to drain (REJOIN-3), and one whose takeover was cut has drained already.
  if (!k.drained) {
    while (k.settled(k.applied + 1n)) applyNext(server); // APPLY-4
    server.do('discard', { epoch: k.epoch, kept: k.applied, last: k.newest });
  }
  server.do('take-role', { epoch: k.epoch + 1n, cause: cause(k, server.ordered) });
  server.copyOrdered = false;
  server.incoming = null;
  server.challenging = false;
  lead(server);
}

function onBeat(server) {
  const k = server.knows;
  if (!server.challenging) return;
  server.say('witness', 'ask-lease', { epoch: k.epoch + 1n, run: server.run, sent: server.now, promoted: k.promoted });
}

function deadlines(server) {
  const k = server.knows;
  if (k.active) return [];
  return mayResume(k) ? [k.given_until, resumesAt(server)] : [k.given_until];
}

module.exports = { begin, deadlines, onBeat, proceed };
