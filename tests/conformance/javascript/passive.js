'use strict';

// The passive side, and what an active server says to it: it promises, stores and reports what it is sent, applies it, and
// receives copies.

const { blockCount } = require('./frames.js');
const { max } = require('./knowledge.js');

// After so many beats without a piece, the rest of a copy was lost.
const COPY_BEATS = 4n;

function begin(server) {
  server.reportDue = true; // (§8.5: a server that begins to follow reports, even if it has nothing new)
  server.copyOrdered = false; // an operator wants a copy in this server's own epoch
  server.incoming = null; // the unfinished copy
}

function needsCopy(server) {
  const k = server.knows;
  return k.returned || k.drained || k.seen > k.epoch || k.epoch === 0n || server.copyOrdered;
}

function sayPosition(server) {
  const k = server.knows;
  server.say('peer', 'position', {
    epoch: k.epoch,
    stored: k.storedUpto,
    statuses: k.settledUpto,
    resynchronise: needsCopy(server),
  });
}

function onBeat(server) {
  const k = server.knows;
  if (server.incoming !== null && server.now >= server.incoming.heard + COPY_BEATS * server.beat) server.incoming = null;
  // No message relies on an earlier one (§12): it is said again until a copy comes.
  if (needsCopy(server) && server.incoming === null) sayPosition(server);
  // SWITCH-2: a server that released its role says so until it hears of a newer epoch.
  if (k.released > 0n && k.seen <= k.released) {
    server.say('peer', 'released', { epoch: k.released });
    server.say('witness', 'released', { epoch: k.released });
  }
}

/** One thing at a time: apply an update, if there is time, or else report. */
function onIdle(server, { room }) {
  const k = server.knows;
  if (!k.follows(k.epoch)) return;
  if (room && k.settled(k.applied + 1n)) applyNext(server);
  else if (server.reportDue) report(server);
}

/** APPLY-1, APPLY-2, QUEUE-5: the next number, with its status, from the safe queue. APPLY-3: a failed one changes nothing. */
function applyNext(server) {
  const k = server.knows;
  const seq = k.applied + 1n;
  server.do('apply', { epoch: k.epoch, seq, changed: k.safeQueue.get(seq) === 'done', queue: 'safe' });
}

/** QUEUE-4: what is reported is durable, with its status. */
function report(server) {
  const { epoch, settledUpto: upto, settledLatest: latest } = server.knows;
  server.reportDue = false;
  server.sync();
  server.do('report-safe', { epoch, upto, latest });
  server.say('peer', 'safe', { epoch, upto, latest });
}

function hearReturn(server, epoch) {
  if (server.knows.peer_left) server.do('hear-return', { epoch });
}

/** Whether what the active server of `epoch` sends may be stored here. */
function mayStore(server, epoch) {
  return server.knows.follows(epoch) && !server.copyOrdered;
}

/** A copy may replace the data: REJOIN-2. */
function mayResynchronise(server, { epoch, upto }) {
  const k = server.knows;
  if (k.active || epoch < k.seen) return false;
  if (epoch > k.epoch) return true;
  return epoch === k.epoch && server.copyOrdered && !k.returned && !k.drained && upto >= max(k.applied, k.reported);
}

/** The unfinished copy, if this is its next piece; otherwise it is given up. Without one, the piece is ignored (§12.3). */
function nextPiece(server, { epoch, upto, index }) {
  const copy = server.incoming;
  if (copy === null) return null;
  if (copy.epoch !== epoch || copy.upto !== upto || copy.pieces !== index) {
    giveUpCopy(server);
    return null;
  }
  copy.heard = server.now;
  copy.pieces += 1n;
  return copy;
}

function giveUpCopy(server) {
  server.incoming = null;
  server.tell('close', { to: 'peer' });
}

const frames = {
  'ask-promise'(server, { epoch, run, sent }) {
    const k = server.knows;
    hearReturn(server, epoch);
    // A role that was released is not asked about any more, and whoever holds the next lease gives no promise (§8.2).
    if (k.active || k.peer_released >= epoch || (server.challenging && k.holdsNextLease(server.now))) return;
    // LEASE-2: it binds for the full length from now, and never for less than before.
    server.do('promise', { epoch, until: max(server.now + server.constants.promise_ns, k.given_until) });
    server.say('peer', 'promised', { epoch, run, sent });
    server.refrained = null;
    server.reportDue = true; // The last report may have been lost.
  },

  update(server, { epoch, seq }) {
    const k = server.knows;
    if (!mayStore(server, epoch)) return;
    if (seq > k.applied && !k.safeQueue.has(seq)) server.do('store', { epoch, seq });
    if (k.settled(seq)) server.reportDue = true; // It comes again, so the report was lost.
  },

  'update-status'(server, { epoch, seq, status }) {
    const k = server.knows;
    // A status whose update is not here would not survive a stop (§13), and comes again.
    if (!mayStore(server, epoch) || status === 'none') return;
    if (k.safeQueue.get(seq) === 'none') server.do('store-status', { epoch, seq, status }); // QUEUE-4: it is final.
    if (k.settled(seq)) server.reportDue = true;
  },

  'copy-begin'(server, { epoch, begun, upto }) {
    if (!mayResynchronise(server, { epoch, upto })) return;
    server.incoming = { epoch, begun, upto, pieces: 0n, heard: server.now };
  },

  'copy-part': nextPiece,

  // §12.6: one that wants a whole copy lacks every block.
  'copy-listing'(server, message) {
    if (nextPiece(server, message) === null) return;
    const { epoch, upto, index, entries } = message;
    const count = Number(entries.reduce((sum, entry) => sum + blockCount(entry), 0n));
    const blocks = Array.from({ length: count }, (_, block) => BigInt(block));
    server.say('peer', 'copy-lacking', { epoch, upto, index, blocks });
  },

  'copy-end'(server, { epoch, upto, parts }) {
    const k = server.knows;
    const copy = server.incoming;
    if (copy === null) return;
    if (copy.epoch !== epoch || copy.upto !== upto || copy.pieces !== parts || !mayResynchronise(server, copy)) {
      giveUpCopy(server);
      return;
    }
    // REJOIN-1, LOSS-1: what was logged and is in nobody else's data is set aside and listed first.
    if (k.unsafe) server.do('set-aside', { epoch: k.epoch, kept: copy.begun, last: k.logged });
    server.sync();
    server.do('resynchronise', { epoch, upto });
    server.incoming = null;
    server.copyOrdered = false;
    server.reportDue = true;
    sayPosition(server);
  },

  released(server, { epoch }) {
    const k = server.knows;
    // LEASE-5: nothing that was promised in that epoch binds any more.
    if (epoch <= k.peer_released && k.given_until <= server.now) return;
    server.do('hear-release', { epoch });
    server.sync(); // §5
  },

  goodbye(server, { epoch }) {
    const k = server.knows;
    if (k.active || k.peer_left) return;
    server.do('hear-goodbye', { epoch });
    server.sync(); // §8.7: durably, though nothing is said about it
  },
};

module.exports = { applyNext, begin, frames, hearReturn, onBeat, onIdle, sayPosition };
